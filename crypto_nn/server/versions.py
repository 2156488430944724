"""Who answers: a snapshot that never changes, and a watcher that replaces it as a whole."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from crypto_nn.errors import ConfigError, CryptoNNError, FeatureError, ModelError, SymbolError
from crypto_nn.inference.answering import Answering
from crypto_nn.inference.routing import route

_LOG = logging.getLogger(__name__)
Shares = Mapping[str, float]
"""By version, the share of questions that it answers; together 1."""


@dataclass(frozen=True, eq=False)
class Universe:
    """Who answers for one universe.

    Attributes:
        name: as in the settings.
        symbols: its members.
        shares: which share of questions each version answers.
        versions: those versions.
    """

    name: str
    symbols: tuple[str, ...]
    shares: Shares
    versions: Mapping[str, Answering]


@dataclass(frozen=True)
class Serving:
    """All that answers at one moment. Who began with a snapshot ends with it."""

    universes: Mapping[str, Universe] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def ready(self) -> bool:
        """Whether anybody answers."""
        return bool(self.universes)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Those that somebody answers for, in order."""
        return tuple(sorted({s for one in self.universes.values() for s in one.symbols}))

    @property
    def reach(self) -> int:
        """Rows of features that the version with the longest window looks back on."""
        answering = [a for one in self.universes.values() for a in one.versions.values()]
        return max((each.facts.reach for each in answering), default=1)

    def choose(self, symbol: str, key: str, universe: str | None = None) -> tuple[str, Answering]:
        """The universe and the version that answer for a symbol.

        Args:
            symbol: asked for.
            key: what the split between champion and challenger goes by.
            universe: whose version is asked; None for the symbol's own, else the first by name.

        Raises:
            SymbolError: nobody answers for this symbol.
        """
        named = [
            name
            for name in sorted(self.universes, key=lambda name: (name != symbol, name))
            if symbol in self.universes[name].symbols and universe in (None, name)
        ]
        if not named:
            raise SymbolError(
                f"No version answers for this symbol; there are {', '.join(self.symbols) or 'none'}"
                ". Ask for one of them, or train and promote a version that has learned it."
            )
        chosen = self.universes[named[0]]
        return chosen.name, chosen.versions[route(key, chosen.shares, chosen.name)]


class VersionWatcher:
    """Looks who should answer, loads it, and swaps the snapshot in one step.

    Where a version cannot be loaded, the universe's former ones answer on.

    Args:
        universes: their members by name.
        shares: who should answer for a universe now; `ConfigError` where nobody is promoted.
        load: a version, ready to answer. It may take long: call `look` beside the event loop.
        fingerprint: of the features that will be given.
    """

    def __init__(
        self,
        universes: Mapping[str, Sequence[str]],
        shares: Callable[[str], Shares],
        load: Callable[[str], Answering],
        fingerprint: str,
    ) -> None:
        self._members = {name: tuple(symbols) for name, symbols in universes.items()}
        self._shares, self._load, self._fingerprint = shares, load, fingerprint
        self.serving = Serving()
        self.problems: Mapping[str, str] = {}

    def look(self) -> bool:
        """Look once; whether another snapshot is in force."""
        before = self.serving.universes
        after: dict[str, Universe] = {}
        problems: dict[str, str] = {}
        for name, symbols in self._members.items():
            try:
                after[name] = self._universe(name, symbols, before.get(name))
            except CryptoNNError as error:
                problems[name] = str(error)
                if self.problems.get(name) != str(error):
                    _LOG.warning("%s: %s", name, error)
                if name in before and not isinstance(error, ConfigError):
                    after[name] = before[name]
        self.problems = problems
        changed = after.keys() != before.keys() or any(
            after[name] is not before[name] for name in after
        )
        if changed:
            self.serving = Serving(MappingProxyType(after))
        return changed

    def _universe(self, name: str, symbols: tuple[str, ...], before: Universe | None) -> Universe:
        shares = dict(self._shares(name))
        if before is not None and before.shares == shares:
            return before
        known = {} if before is None else before.versions
        versions = {
            version: known.get(version) or self._loaded(version, symbols)
            for version, share in shares.items()
            if share > 0
        }
        return Universe(name, symbols, shares, versions)

    def _loaded(self, version: str, symbols: tuple[str, ...]) -> Answering:
        answering = self._load(version)
        facts = answering.facts
        if facts.version != version:
            raise ModelError(
                f"{version} was due, and the bundle is of {facts.version}. Export it again."
            )
        if facts.fingerprint != self._fingerprint:
            raise FeatureError(
                f"Version {version} learned from feature set {facts.fingerprint}, and the settings "
                f"make {self._fingerprint}. Serve it with the settings of its training."
            )
        strangers = sorted(set(symbols) - set(facts.symbols))
        if strangers:
            raise FeatureError(
                f"Version {version} has not learned {', '.join(strangers)}. Train it on them."
            )
        return answering
