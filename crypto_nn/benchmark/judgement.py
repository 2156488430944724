"""What becomes of champion, challenger and candidate: every night the same questions, in order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from crypto_nn.benchmark.gate import GateConfig, Verdict
from crypto_nn.benchmark.pairs import challenge_of, check_answers, num_answers, watch_of
from crypto_nn.benchmark.shadow import (
    DAY,
    CannotAnswer,
    Pair,
    Versions,
    over_until,
    score,
    scores_of,
    stand,
)
from crypto_nn.inference import registry
from crypto_nn.store.lake import Lake
from crypto_nn.store.models import ModelStore

SILENCE = 7 * DAY  # so long a champion may say nothing while another could
ROUNDS = 8  # more than one night can bring: rollback, rejection, a new challenger and its verdict


@dataclass(frozen=True, eq=False)
class Court:
    """All that a judgement of one universe needs.

    Attributes:
        symbols: those whose data still come in; none where all of them are historical.
        compare: the gate on calibration rows: candidate, champion → verdict.
        now: naive UTC.
    """

    lake: Lake
    models: ModelStore
    universe: str
    symbols: Sequence[str]
    config: GateConfig
    versions: Versions
    compare: Callable[[str, str], Verdict]
    now: np.datetime64

    @property
    def stores(self) -> tuple[Lake, ModelStore, str]:
        return self.lake, self.models, self.universe


@dataclass(frozen=True)
class Broken:
    """Why a version should not answer, and whether it still could."""

    why: str
    answers: bool


def judge_night(court: Court, candidate: str) -> list[str]:
    """Ask until nothing changes; what happened, in words, in order.

    The order: is there a champion; is it broken; is the one before it better; what do the days
    say of the challenger; what becomes of the candidate. The same call again changes nothing, a
    killed one is finished by the next, and nights that were missed are made up for.

    Raises:
        CannotAnswer: there is no champion, and the candidate cannot be one.
        ModelError: somebody else changed the champion meanwhile, or is judging for an hour.
    """
    live = court.config.shadow and bool(court.symbols)
    steps = (_first, _mend, _watch, _weigh, _admit) if live else (_first, _at_once)
    said: list[str] = []
    with registry.judging(court.models, court.universe):
        registry.repair(*court.stores)
        for _ in range(ROUNDS):
            news = next((word for step in steps if (word := step(court, candidate))), None)
            if news is None:
                break
            said.append(news)
    return said


def find_broken(court: Court, version: str) -> Broken | None:
    """Whether a version cannot answer any more, or the monitor has raised its alarm."""
    try:
        check_answers(court.versions, court.symbols, version)
    except CannotAnswer as error:
        return Broken(error.why, False)
    lake, columns = court.lake, ("symbol", "day", "alarm")
    if not lake.has("model_monitor"):
        return None
    where = {"model_version": version, "metric": "labels"}
    rows = lake.read("model_monitor", columns, where).to_pylist()
    days = [(row["day"], row["symbol"]) for row in rows if row["alarm"]]
    days = [(day, symbol) for day, symbol in days if symbol in court.symbols]
    if not days:
        return None
    day, symbol = min(days)
    return Broken(f"the monitor's alarm for {symbol} since {day}", True)


def _first(court: Court, candidate: str) -> str | None:
    if registry.champion_of(court.models, court.universe) is not None:
        return None
    check_answers(court.versions, court.symbols, candidate)
    reason = "the first version of this universe"
    registry.promote(*court.stores, candidate, reason, court.now)
    return reason


def _mend(court: Court, candidate: str) -> str | None:
    """A broken champion is replaced at once by whoever can answer."""
    champion = _champion(court)
    broken = find_broken(court, champion) or _silent(court, champion, candidate)
    if broken is None:
        return None
    why = f"the champion is broken: {broken.why}"
    before = registry.predecessor_of(court.models, court.universe)
    sound = before is not None and find_broken(court, before.version) is None
    if before is not None and sound and _in_watch(court, before):
        return _roll_back(court, champion, why)
    if broken.answers:
        return _relieve(court, candidate, champion, why)
    challenger = registry.challenger_of(court.models, court.universe)
    for version in (candidate, *([challenger.version] if challenger else [])):
        if version != champion and _can_answer(court, version):
            reason = f"{why}. {version} can answer"
            registry.promote(*court.stores, version, reason, court.now, champion)
            return reason
    return _roll_back(court, champion, why) if sound else None


def _silent(court: Court, champion: str, candidate: str) -> Broken | None:
    """A champion that has said nothing for a week, where the candidate could."""
    arguments = court.versions, court.symbols
    if candidate == champion or check_answers(*arguments, champion):
        return None
    if num_answers(*arguments, champion, SILENCE) or not _can_answer(court, candidate):
        return None
    count = num_answers(*arguments, candidate, SILENCE)
    return (
        Broken(f"no answer in {SILENCE}, where {candidate} has {count}", False) if count else None
    )


def _in_watch(court: Court, before: registry.Champion) -> bool:
    end = np.datetime64(before.at, "D") + court.config.rollback_days * DAY
    return bool(court.now.astype("datetime64[D]") < end)


def _roll_back(court: Court, champion: str, why: str) -> str:
    registry.rollback(*court.stores, why, court.now, champion)
    return why


def _relieve(court: Court, candidate: str, champion: str, why: str) -> str | None:
    """A champion that answers, but badly, is replaced by a candidate unless that is no better."""
    if candidate == champion or _settled(court, candidate) or not _can_answer(court, candidate):
        return None
    verdict = court.compare(candidate, champion)
    if not verdict.promote and verdict.difference is not None:
        return None
    reason = f"{why}. Candidate: {verdict.reason}"
    registry.promote(*court.stores, candidate, reason, court.now, champion)
    return reason


def _watch(court: Court, candidate: str) -> str | None:
    """The champion before comes back where the days since show that it is better."""
    champion = _champion(court)
    try:
        pair = watch_of(court.models, court.universe, court.versions, court.config)
        if pair is None:
            return None
        score(court.lake, court.versions, pair, court.symbols, court.config, court.now)
    except CannotAnswer:
        return None  # of a champion that cannot answer `_mend` has taken care
    standing = stand(scores_of(court.lake, pair), court.config)
    if standing.verdict != "better":
        return None
    why = f"{pair.shadow}, which answered before, is better: {standing.told(court.config)}"
    return _roll_back(court, champion, why)


def _weigh(court: Court, candidate: str) -> str | None:
    """The challenger is promoted, rejected, or let go; else it goes on."""
    challenger = registry.challenger_of(court.models, court.universe)
    if challenger is None:
        return None
    champion, shadow = _champion(court), challenger.version
    if not _can_answer(court, champion):
        return None  # nobody could relieve it: there is nothing to compare with
    try:
        check_answers(court.versions, court.symbols, shadow)
        pair = challenge_of(court.models, court.universe, court.versions, court.config)
        assert pair is not None
        score(court.lake, court.versions, pair, court.symbols, court.config, court.now)
    except CannotAnswer as error:
        return None if error.version == champion else _dismiss(court, shadow, "reject", str(error))
    standing = stand(scores_of(court.lake, pair), court.config)
    told = standing.told(court.config)
    if standing.verdict == "better":
        registry.promote(*court.stores, shadow, f"better: {told}", court.now, champion)
        return f"better: {told}"
    if standing.verdict == "worse":
        return _dismiss(court, shadow, "reject", f"worse: {told}")
    if _is_over(court, pair):
        told = f"not shown to be better in {court.config.max_shadow_days} days: {told}"
        return _dismiss(court, shadow, "expire", told)
    return None


def _is_over(court: Court, pair: Pair) -> bool:
    """Whether no further day of the comparison will come.

    Its last day has been over for every symbol and some bars have come since; or no bars have
    come for as long again.
    """
    until = over_until(court.versions, court.symbols, court.now)
    newest = [ts for ts in map(court.versions.newest, court.symbols) if ts is not None]
    arrived = bool(newest) and max(newest) >= pair.end
    given_up = court.now >= pair.end + (pair.end - pair.start)
    return bool(until >= pair.end and (arrived or given_up))


def _dismiss(court: Court, version: str, action: str, reason: str) -> str:
    registry.dismiss(*court.stores, version, action, reason, court.now)
    return reason


def _admit(court: Court, candidate: str) -> str | None:
    """A new candidate shadows, unless another does for which the days have spoken so far."""
    champion = _champion(court)
    challenger = registry.challenger_of(court.models, court.universe)
    if candidate == champion or (challenger is not None and challenger.version == candidate):
        return None
    settled = _settled(court, candidate)
    if settled:
        return _keep(court, candidate, f"kept: {settled}")
    try:
        check_answers(court.versions, court.symbols, candidate)
    except CannotAnswer as error:
        return _keep(court, candidate, f"kept: {error}")
    if challenger is not None:
        behind = _behind(court)
        if not behind:
            return _keep(court, candidate, f"waits: {challenger.version} shadows")
        _dismiss(court, challenger.version, "expire", f"gives way to {candidate}: {behind}")
    reason = f"shadows {champion}, until the evidence for one of them is {_due(court)}"
    registry.shadow(*court.stores, candidate, reason, court.now)
    return reason


def _behind(court: Court) -> str:
    """What the days say where they speak less for the challenger than on its first; else empty."""
    pair = challenge_of(court.models, court.universe, court.versions, court.config)
    if pair is None:
        return ""
    standing = stand(scores_of(court.lake, pair), court.config)
    behind = standing.days >= court.config.min_days and standing.e_better < 1
    return standing.told(court.config) if behind else ""


def _at_once(court: Court, candidate: str) -> str | None:
    """The gate on calibration rows: where no day will come, or shadows are not wanted."""
    champion = _champion(court)
    if candidate == champion:
        return None
    settled = _settled(court, candidate)
    broken = None if _can_answer(court, champion) else find_broken(court, champion)
    if broken is not None and _can_answer(court, candidate):
        reason = f"the champion can no longer answer: {broken.why}"
        registry.promote(*court.stores, candidate, reason, court.now, champion)
        return reason
    if settled:
        return _keep(court, candidate, f"kept: {settled}")
    note = " (judged at once: no new days will come)" if court.config.shadow else ""
    verdict = court.compare(candidate, champion)
    reason = verdict.reason + note
    if not verdict.promote:
        return _keep(court, candidate, reason)
    registry.promote(*court.stores, candidate, reason, court.now, champion)
    return reason


def _keep(court: Court, candidate: str, reason: str) -> str | None:
    return reason if registry.keep(*court.stores, candidate, reason, court.now) else None


def _settled(court: Court, version: str) -> str:
    """Why a version is not judged again by itself; empty where it may be."""
    told = {"promote": "it answered before", "reject": "it was rejected", "expire": "it expired"}
    events = registry.history(court.models, court.universe)
    of_it = [event for event in events if event["version"] == version and event["action"] in told]
    if not of_it:
        return ""
    last = of_it[-1]
    return f"{told[last['action']]} ({last['at'][:10]}); only `models promote` brings it back"


def _can_answer(court: Court, version: str) -> bool:
    try:
        check_answers(court.versions, court.symbols, version)
    except CannotAnswer:
        return False
    return True


def _champion(court: Court) -> str:
    champion = registry.champion_of(court.models, court.universe)
    assert champion is not None
    return champion.version


def _due(court: Court) -> str:
    return f"{court.config.evidence_due:g}"
