"""The controls as a page."""

import numpy as np

from crypto_nn.benchmark.controls.control import Control
from crypto_nn.benchmark.controls.run import Controls, figure, interval
from crypto_nn.pictures import Picture
from crypto_nn.pictures.document import Block, Document, Drawing, Heading, Table, Verdicts, Words
from crypto_nn.pictures.p_values import p_values

ABOUT = (
    "Everything here has a known answer. The benchmark judges markets in which no direction can "
    "be known, and labels that were dealt to other days: there, tests of two forecasts that are "
    "equally good must reject at 5 % in one market of twenty, and their p-values must be uniform. "
    "It judges markets with a known edge, which must be measured as large as it is. And leaks are "
    "planted, which must be caught."
)


def compose(found: Controls, made_at: np.datetime64) -> Document:
    """All controls with their figures, the picture of p-values, and what lies behind."""
    verdicts = Verdicts([
        ("good" if control.passed else "warning",
         f"{'Holds' if control.passed else 'FAILS'}: {control.claim}.")
        for control in found.controls
    ])  # fmt: skip
    blocks: list[Block] = [verdicts, Words(ABOUT), *drawings(found)]
    for control in found.controls:
        blocks += [Heading(_title(control)), _table(control, False)]
        blocks += [_table(control, True)] if control.details else []
    when = str(made_at.astype("datetime64[m]")).replace("T", " ")
    config = found.config
    subtitle = f"{config.runs} markets, seed {config.seed}, made {when} UTC"
    return Document("Controls", subtitle, blocks)


def drawings(found: Controls) -> list[Drawing]:
    """How often each test rejects where there is nothing to be found."""
    tests = list(found.rejections)
    groups = dict.fromkeys(test.test.baseline for test in tests)
    p = {name: [one.p_R for one in tests if one.test.baseline == name] for name in groups}
    bound = max((one.bound / len(one.p_R) for one in tests), default=np.nan)
    picture: Picture = p_values(p, bound, title="Paired tests where neither side is better")
    return [Drawing(picture, "p-values of paired tests without a difference, and rejection rates")]


def _title(control: Control) -> str:
    return control.name.replace("_", " ").capitalize()


def _table(control: Control, behind: bool) -> Table:
    findings = control.details if behind else control.findings
    rows = [
        (one.subject, one.due, figure(one.value), interval(one.low, one.high),
         "yes" if one.passed else "NO", one.note)
        for one in findings
    ]  # fmt: skip
    caption = "What lies behind" if behind else "What decides"
    return Table(("measured", "due", "came", "interval", "as due", "note"), rows, caption)
