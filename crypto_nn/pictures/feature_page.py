"""Every feature on one HTML page that needs nothing from anywhere: light and dark, wide and narrow.

The plots are drawn by hand as SVG paths of a few hundred bytes; no script is needed. Where scripts
run, a field to search by name and words appears.
"""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from crypto_nn.features.feature import Feature
from crypto_nn.features.statistics import QUANTILES, FeatureFacts
from crypto_nn.features.units import UNITS
from crypto_nn.pictures.feature_plots import Plot, Shape, feature_plots, percent, short

WIDTH, HEIGHT = 160, 60

CSS = """
:root{color-scheme:light dark;--ground:#f6f7f9;--card:#fff;--ink:#1f2937;--soft:#5b6472;
--line:#e3e6ea;--accent:#0072b2;--area:#9cc9e6;--band:#cfe2f0;--rule:#aab1bc;--plot:#f8f9fb}
@media(prefers-color-scheme:dark){:root{--ground:#14171c;--card:#1d2127;--ink:#e7eaee;
--soft:#a2abb8;--line:#323842;--accent:#56b4e9;--area:#2f6690;--band:#234a66;--rule:#5d6674;
--plot:#171a1f}}
*{box-sizing:border-box}[hidden]{display:none!important}
html{scroll-padding-top:3.4rem}
body{margin:0;background:var(--ground);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1240px;margin:0 auto;padding:24px 20px 60px}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 4px;letter-spacing:-.01em}
a{color:var(--accent);text-decoration:none}
a:hover{text-decoration:underline}
.subtitle{color:var(--soft);margin:0 0 14px}
nav{position:sticky;top:0;z-index:1;background:var(--ground);padding:8px 0;display:flex;
flex-wrap:wrap;gap:4px 14px;align-items:center;border-bottom:1px solid var(--line);
font-size:.92rem}
nav small{color:var(--soft)}
input{font:inherit;color:inherit;background:var(--card);border:1px solid var(--line);
border-radius:6px;padding:3px 9px;width:15em;max-width:100%;margin-left:auto}
h2{font-size:1.2rem;margin:30px 0 10px}
h2 small{color:var(--soft);font-weight:400;font-size:.85rem}
article{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 14px;
margin:0 0 10px;display:grid;grid-template-columns:minmax(0,19rem) minmax(0,1fr);gap:10px 22px}
article:target{border-color:var(--accent);box-shadow:0 0 0 1px var(--accent)}
h3{margin:0;font:600 .98rem/1.35 ui-monospace,SFMono-Regular,Menlo,"DejaVu Sans Mono",monospace;
overflow-wrap:anywhere}
h3 a{color:inherit}
article p{margin:3px 0 6px;font-size:.9rem}
code{font:.8rem/1.4 ui-monospace,SFMono-Regular,Menlo,"DejaVu Sans Mono",monospace;
overflow-wrap:anywhere;color:var(--soft)}
.is{margin:6px 0 0;display:grid;grid-template-columns:max-content minmax(0,1fr);gap:0 10px;
font-size:.8rem}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
.plots{display:grid;grid-template-columns:repeat(4,minmax(0,1fr));gap:10px 14px}
figure{margin:0;display:grid;grid-template-columns:minmax(0,1fr) 4.2em;column-gap:4px;
font-size:.72rem;line-height:1.3;color:var(--soft);align-content:start}
figcaption{grid-column:1/-1;color:var(--ink);font-size:.76rem;margin-bottom:2px}
svg{display:block;width:100%;height:62px;background:var(--plot);border-radius:3px}
.y,.x{display:flex;justify-content:space-between}
.y{flex-direction:column;white-space:nowrap}
.wide>*{grid-column:1/-1}.wide .y{display:none}
.none{grid-column:1/-1;height:62px;display:grid;place-items:center;background:var(--plot)}
.area{fill:var(--area)}.band{fill:var(--band)}
.line,.rule{fill:none;vector-effect:non-scaling-stroke}
.line{stroke:var(--accent);stroke-width:1.6;stroke-linejoin:round}
.rule{stroke:var(--rule);stroke-width:1}
.facts{margin:10px 0 0;display:grid;grid-template-columns:repeat(7,minmax(0,1fr));
gap:4px 8px;font-size:.8rem;font-variant-numeric:tabular-nums;white-space:nowrap}
.facts dt{font-size:.72rem;line-height:1.2}
details{color:var(--soft);font-size:.88rem;margin:10px 0}
details p{max-width:85ch;margin:4px 0}
summary{cursor:pointer}
@media(max-width:900px){article{grid-template-columns:minmax(0,1fr)}}
@media(max-width:600px){main{padding:16px 10px 40px}h1{font-size:1.35rem}
.plots{grid-template-columns:repeat(2,minmax(0,1fr))}
.facts{grid-template-columns:repeat(4,minmax(0,1fr))}
nav{position:static}input{margin-left:0;width:100%}}
@media print{nav{position:static}article{break-inside:avoid}}
"""

SEARCH = """
const field = document.querySelector("input"), cards = document.querySelectorAll("article");
field.hidden = false;
field.oninput = () => {
  const words = field.value.toLowerCase().split(/\\s+/);
  for (const card of cards) {
    const text = card.firstElementChild.textContent.toLowerCase();
    card.hidden = !words.every((word) => text.includes(word));
  }
  for (const part of document.querySelectorAll("section"))
    part.hidden = !part.querySelector("article:not([hidden])");
};
"""

HOW = (
    "Distribution: from the 0.5 % to the 99.5 % quantile. Autocorrelation: with the value 1 to 120 "
    "rows before, within a month, lags on a logarithmic scale. Missing: the share of null rows by "
    "month. Drift: the median of each month and the band from its 5 % to its 95 % quantile; its "
    "number is the largest gap between a month's cumulative distribution and the first one's "
    "(Kolmogorov and Smirnov, 0 to 1). A grey line is zero. Quantiles are of every 7th row, "
    "autocorrelations of every 17th; all else is of every row."
)


def feature_page(
    features: Sequence[Feature],
    facts: Mapping[str, FeatureFacts],
    title: str = "Features",
    subtitle: str = "",
) -> str:
    """The page as text: a card for each feature, group by group.

    Args:
        features: in the order of the columns.
        facts: of each by its name (`statistics.describe`); one without has empty plots.
        title: of the page.
        subtitle: of which markets and months the values are.
    """
    groups: dict[str, list[Feature]] = {}
    for feature in features:
        groups.setdefault(feature.group, []).append(feature)
    links = "".join(
        f'<span><a href="#group-{escape(group)}">{escape(group)}</a> <small>{len(own)}</small>'
        "</span>"
        for group, own in groups.items()
    )
    body = "".join(_section(group, own, facts) for group, own in groups.items())
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n<main>\n"
        f'<h1>{escape(title)}</h1>\n<p class="subtitle">{escape(subtitle)}</p>\n'
        f'<nav>{links}<input type="search" hidden aria-label="Search features" '
        f'placeholder="Search {len(features)} features"></nav>\n'
        f"<details><summary>How to read this</summary><p>{HOW}</p></details>\n"
        f"{body}</main>\n<script>{SEARCH}</script>\n</body>\n</html>\n"
    )


def _section(group: str, features: Sequence[Feature], facts: Mapping[str, FeatureFacts]) -> str:
    cards = "".join(_card(feature, facts.get(feature.name)) for feature in features)
    heading = f"<h2>{escape(group)} <small>{len(features)} features</small></h2>"
    return f'<section id="group-{escape(group)}">\n{heading}\n{cards}</section>\n'


def _card(feature: Feature, facts: FeatureFacts | None) -> str:
    name = escape(feature.name)
    about = (
        ("unit", _unit(feature.unit)),
        ("bars", str(feature.timeframe)),
        ("warm-up", f"{feature.warm_up_minutes:,} min at most"),
    )
    told = "" if facts is None else _plots(facts)
    formula = "" if feature.formula == feature.name else f"<code>{escape(feature.formula)}</code>"
    return (
        f'<article id="{name}"><div><h3><a href="#{name}">{name}</a></h3>'
        f"<p>{escape(feature.description)}</p>{formula}"
        f"{_pairs('is', about)}</div><div>{told or 'no values'}</div></article>\n"
    )


def _unit(unit: str) -> str:
    words = UNITS.get(unit, "")
    return f"{unit}: {words}" if words and unit != "1" else words or unit


def _plots(facts: FeatureFacts) -> str:
    drawn = "".join(_figure(plot) for plot in feature_plots(facts))
    names = [f"{100 * share:g} %" if share != 0.5 else "median" for share in QUANTILES]
    farthest = facts.farthest
    numbers = (
        *zip(names, map(short, facts.quantiles)),
        ("mean", short(facts.mean)),
        ("std", short(facts.std)),
        ("lag 1", _two_places(facts.autocorrelation(1))),
        ("lag 60", _two_places(facts.autocorrelation(60))),
        ("missing", percent(facts.missing)),
        ("drift", "–" if farthest is None else f"{farthest[1]:.2f}"),
        ("values", f"{facts.count:,}"),
    )
    return f'<div class="plots">{drawn}</div>{_pairs("facts", numbers)}'


def _two_places(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "–"


def _pairs(kind: str, pairs: Sequence[tuple[str, str]]) -> str:
    """A list of terms; those of `facts` stand above one another, in a box each."""
    inner = (f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs)
    if kind == "facts":
        inner = (f"<div>{pair}</div>" for pair in inner)
    return f'<dl class="{kind}">{"".join(inner)}</dl>'


def _figure(plot: Plot) -> str:
    caption = f"<figcaption>{escape(plot.title)}</figcaption>"
    if not plot.shapes:
        return f'<figure>{caption}<div class="none">no values</div></figure>'
    paths = "".join(f'<path class="{shape.kind}" d="{_path(shape)}"/>' for shape in plot.shapes)
    words = escape(f"{plot.title}: {plot.words}")
    wide = "" if plot.top else ' class="wide"'
    return (
        f'<figure{wide} title="{words}">{caption}<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'preserveAspectRatio="none" aria-label="{words}">{paths}</svg>'
        f'<div class="y"><span>{escape(plot.top)}</span><span>{escape(plot.bottom)}</span></div>'
        f'<div class="x"><span>{escape(plot.left)}</span><span>{escape(plot.right)}</span></div>'
        "</figure>"
    )


def _path(shape: Shape) -> str:
    """The shape's outline: tenths of a unit are finer than a screen shows."""
    xs = np.round(np.clip(shape.x, 0, 1) * WIDTH, 1).tolist()
    ys = np.round((1 - np.clip(shape.y, 0, 1)) * HEIGHT, 1).tolist()
    steps, x, y = [f"M{xs[0]:g} {ys[0]:g}"], xs[0], ys[0]
    for across, down in zip(xs[1:], ys[1:]):
        if down == y:
            steps.append(f"H{across:g}")
        elif across == x:
            steps.append(f"V{down:g}")
        else:
            steps.append(f"L{across:g} {down:g}")
        x, y = across, down
    return "".join(steps)
