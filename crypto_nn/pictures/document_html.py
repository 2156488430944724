"""A document as one HTML page that needs nothing from anywhere: light and dark, wide and narrow."""

from collections.abc import Sequence
from html import escape

from crypto_nn.pictures.document import (
    Block,
    Code,
    Details,
    Document,
    Drawing,
    Facts,
    Heading,
    Table,
    Verdicts,
    Words,
)

LONG = 6  # a page of so many headings begins with links to them
CSS = """
:root{color-scheme:light dark;--ground:#f6f7f9;--card:#fff;--ink:#1f2937;--soft:#5b6472;
--line:#e3e6ea;--accent:#0072b2;--good:#e6f1f8;--good-ink:#00557f;--warn:#fdf3dc;--warn-ink:#7a5200}
@media(prefers-color-scheme:dark){:root{--ground:#14171c;--card:#1d2127;--ink:#e7eaee;
--soft:#a2abb8;--line:#323842;--accent:#56b4e9;--good:#12344a;--good-ink:#9fd6f5;--warn:#3d2f0d;
--warn-ink:#f2cf83}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);
font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1320px;margin:0 auto;padding:28px 20px 60px}
h1{font-size:1.75rem;line-height:1.2;margin:0 0 4px;letter-spacing:-.01em}
.subtitle{color:var(--soft);margin:0 0 20px}
h2{font-size:1.2rem;margin:36px 0 10px;padding-bottom:6px;border-bottom:1px solid var(--line)}
p{max-width:75ch;margin:8px 0}
nav{display:flex;flex-wrap:wrap;gap:4px 16px;margin:0 0 18px;font-size:.9rem}
nav a{color:var(--accent);text-decoration:none}
nav a:hover{text-decoration:underline}
ul.verdicts{list-style:none;margin:14px 0;padding:0;display:grid;gap:8px}
ul.verdicts li{padding:10px 14px;border-radius:8px;background:var(--card);
border:1px solid var(--line);border-left:5px solid var(--soft)}
ul.verdicts li.good{background:var(--good);color:var(--good-ink);border-left-color:var(--accent)}
ul.verdicts li.warning{background:var(--warn);color:var(--warn-ink);border-left-color:#e69f00}
.wide{overflow-x:auto;border:1px solid var(--line);border-radius:8px;background:var(--card);
margin:10px 0}
table{border-collapse:collapse;width:100%;font-size:.86rem;font-variant-numeric:tabular-nums}
caption{text-align:left;padding:10px 12px 4px;font-weight:600}
th,td{padding:5px 9px;text-align:right;white-space:nowrap;border-top:1px solid var(--line)}
thead th{white-space:normal;color:var(--soft);font-weight:600;border-top:0;vertical-align:bottom}
th:first-child{text-align:left;position:sticky;left:0;background:var(--card)}
th.words,td.words{text-align:left}
td.words{white-space:normal;min-width:9.5em}
td small{display:block;color:var(--soft);font-size:.78em;line-height:1.2}
tbody th{font-weight:600}
tr.quiet td,tr.quiet th{color:var(--soft);font-weight:400}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 18px;margin:10px 0;
background:var(--card);border:1px solid var(--line);border-radius:8px;padding:14px 16px}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
figure{margin:12px 0;padding:10px;background:#fff;border:1px solid var(--line);border-radius:8px;
overflow-x:auto}
figure svg{display:block;max-width:100%;height:auto;margin:0 auto}
@media(prefers-color-scheme:dark){figure{background:#1d1d1d}
figure svg{filter:invert(.885) hue-rotate(180deg)}}
details{margin:10px 0;border:1px solid var(--line);border-radius:8px;background:var(--card)}
summary{cursor:pointer;padding:10px 14px;font-weight:600}
summary:hover{color:var(--accent)}
details[open]>summary{border-bottom:1px solid var(--line)}
details>div.inside{padding:4px 14px 8px}
details .wide,details figure,details dl{border-color:var(--line)}
pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 14px;
overflow-x:auto;font-size:.85rem}
@media(max-width:600px){main{padding:18px 12px 40px}dl{grid-template-columns:1fr;gap:0}
dd{margin-bottom:8px}tbody th:first-child{white-space:normal;min-width:9.5em;max-width:9.5em;
overflow-wrap:anywhere;font-size:.92em;line-height:1.25}details>div.inside{padding:4px 6px 6px}
figure svg{min-width:560px}h1{font-size:1.4rem}}
@media print{body{background:#fff}.wide,figure{break-inside:avoid}}
"""


def to_html(document: Document) -> str:
    """The whole page as text; every word of the document is escaped."""
    title = escape(document.title)
    headings = [block for block in document.blocks if isinstance(block, Heading)]
    contents = _contents(headings) if len(headings) >= LONG else ""
    body = "\n".join(_block(block) for block in document.blocks)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{CSS}</style>\n</head>\n<body>\n<main>\n"
        f'<h1>{title}</h1>\n<p class="subtitle">{escape(document.subtitle)}</p>\n'
        f"{contents}{body}\n</main>\n</body>\n</html>\n"
    )


def _contents(headings: Sequence[Heading]) -> str:
    links = (f'<a href="#{_anchor(h.text)}">{escape(h.text)}</a>' for h in headings)
    return f"<nav>{''.join(links)}</nav>\n"


def _anchor(text: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


def _block(block: Block) -> str:
    match block:
        case Heading(text):
            return f'<h2 id="{_anchor(text)}">{escape(text)}</h2>'
        case Words(text):
            return f"<p>{escape(text)}</p>"
        case Code(text):
            return f"<pre>{escape(text)}</pre>"
        case Verdicts(lines):
            items = (f'<li class="{tone}">{escape(text)}</li>' for tone, text in lines)
            return f'<ul class="verdicts">{"".join(items)}</ul>'
        case Facts(rows):
            pairs = (f"<dt>{escape(n)}</dt><dd>{escape(v)}</dd>" for n, v in rows)
            return f"<dl>{''.join(pairs)}</dl>"
        case Details(summary, blocks, is_open):
            inside = "\n".join(_block(each) for each in blocks)
            return (
                f"<details{' open' if is_open else ''}><summary>{escape(summary)}</summary>"
                f'<div class="inside">{inside}</div></details>'
            )
        case Drawing(picture, alt):
            return f'<figure role="img" aria-label="{escape(alt)}">{picture.svg()}</figure>'
        case Table():
            return _table(block)


def _table(table: Table) -> str:
    caption = f"<caption>{escape(table.caption)}</caption>" if table.caption else ""
    wordy = [_is_words(cell) for cell in table.rows[0]] if table.rows else []
    head = "".join(
        f'<th scope="col"{" class=words" if number < len(wordy) and wordy[number] else ""}>'
        f"{escape(name)}</th>"
        for number, name in enumerate(table.columns)
    )
    body = "".join(_row(row, number in table.quiet) for number, row in enumerate(table.rows))
    return (
        f'<div class="wide" tabindex="0"><table>{caption}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _row(row: Sequence[str], quiet: bool) -> str:
    first = f'<th scope="row">{escape(row[0])}</th>'
    rest = "".join(_cell(cell) for cell in row[1:])
    return f'<tr class="quiet">{first}{rest}</tr>' if quiet else f"<tr>{first}{rest}</tr>"


def _is_words(text: str) -> bool:
    return len(text) > 1 and text[0].isalpha()


def _cell(text: str) -> str:
    """Words to the left, numbers to the right, an interval below its estimate."""
    if _is_words(text):
        return f'<td class="words">{escape(text)}</td>'
    estimate, bracket, bounds = text.partition(" [")
    below = f"<small>[{escape(bounds)}</small>" if bracket else ""
    return f"<td>{escape(estimate)}{below}</td>"
