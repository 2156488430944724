"""The code that a column follows from: a change of it makes this column stale, and no other.

From the class of each indicator (and its bases) and from the transform, every name that a
definition uses is followed to where it is defined, through the modules of the package. What is
hashed is the program and not its text: comments, docstrings and layout count for nothing. Of a
feature from outside the package its whole module counts, and what this imports from its own
package.

What decides over every column (how bars are cut, resampled and put together again) is `SHARED`,
and what the `ENGINE` is made of.
"""

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType
from typing import Any

from crypto_nn.features.feature import Feature

OURS = "crypto_nn"
SHARED = (
    "crypto_nn.bars.bars",
    "crypto_nn.bars.calendar",
    "crypto_nn.bars.reference",
    "crypto_nn.bars.resample",
    "crypto_nn.bars.timeframe",
    "crypto_nn.features.feature_set",
    "crypto_nn.features.gaps",
)
"""The modules that every column follows from, as a whole."""

Place = tuple[str, str]
"""A module and a name in it; all of the module where the name is empty."""

ENGINE: tuple[Place, ...] = (
    ("crypto_nn.features.batch_columns", "BatchColumns"),
    ("crypto_nn.features.column_steps", "column_steps"),
)
"""What puts indicators and transforms together: every column follows from it too."""

ASIDE = ("crypto_nn.errors", "crypto_nn.features.feature", "crypto_nn.features.docstrings")
"""What is said of columns and of what is wrong: their values do not follow from it."""


@cache
def code_of(feature: Feature) -> str:
    """A short hash of the code that a column follows from."""
    return _hash_of(places_of(feature))


def code_from(*places: Place) -> str:
    """A short hash of the code that functions or classes follow from, themselves included."""
    return _hash_of(_closure(places))


@cache
def places_of(feature: Feature) -> frozenset[Place]:
    """The definitions that a column follows from."""
    of_indicators = (place for one in feature.indicators for place in _classes(one))
    shared = [(module, "") for module in SHARED]
    return _closure([*ENGINE, *of_indicators, *_callable(feature.transform)], shared)


def _closure(places: Iterable[Place], shared: Iterable[Place] = ()) -> frozenset[Place]:
    """These definitions and all that they use; what is shared is not looked into."""
    found, waiting = set(shared), list(places)
    while waiting:
        place = waiting.pop()
        if place not in found and (place[0], "") not in found and place[0] not in ASIDE:
            found.add(place)
            waiting += _our_next(place) if _is_ours(place[0]) else _next(place)
    return frozenset(found)


def _hash_of(places: Iterable[Place]) -> str:
    seen = hashlib.sha256()
    for place in sorted(places):
        text = _our_text(place) if _is_ours(place[0]) else _text(place)
        seen.update(f"{place}\n{text}\n".encode())
    return seen.hexdigest()[:12]


def _classes(value: Any) -> Iterator[Place]:
    """The class of an object with its bases, and those of the objects that its fields hold."""
    for kind in type(value).__mro__:
        if kind.__module__ not in sys.stdlib_module_names:
            yield _known(kind.__module__, kind.__qualname__)
    for field in fields(value) if is_dataclass(value) else ():
        held = getattr(value, field.name)
        for one in held if isinstance(held, tuple | list) else (held,):
            if is_dataclass(one):
                yield from _classes(one)
            elif callable(one):
                yield from _callable(one)


def _callable(function: Any) -> list[Place]:
    if isinstance(function, FunctionType):
        return [_known(function.__module__, function.__qualname__)]
    if isinstance(function, type) or _is_third_party(type(function).__module__):
        return []  # an engine such as a NumPy function: versions are the fingerprint's affair
    return list(_classes(function))


def _known(module: str, name: str) -> Place:
    """Where a name is defined; the whole module where it is not ours or not at its top level."""
    if _is_ours(module) and name in _read(module).defined:
        return module, name
    return module, ""


@cache
def _our_next(place: Place) -> tuple[Place, ...]:
    return tuple(_next(place))


def _next(place: Place) -> Iterator[Place]:
    """The definitions that one uses."""
    module, name = place
    source = _read(module)
    for used in {each for node in source.nodes(name) for each in _names(node)}:
        head, _, tail = used.partition(".")
        if head in source.imported:
            target, what = source.imported[head]
            if _is_ours(target) or target.partition(".")[0] == module.partition(".")[0]:
                yield from _resolve(target, what, tail)
        elif head in source.defined and name not in ("", head):
            yield module, head


def _resolve(module: str, name: str, attribute: str = "") -> Iterator[Place]:
    """Where that which is imported is defined, through the `__init__` of its package."""
    if name and _has_source(f"{module}.{name}"):
        module, name = f"{module}.{name}", attribute
    if not _is_ours(module) or not name:
        yield module, name if _is_ours(module) else ""
        return
    source = _read(module)
    if name in source.defined:
        yield module, name
    elif name in source.imported:
        yield from _resolve(*source.imported[name])
    else:
        yield module, ""


def _names(node: ast.AST) -> set[str]:
    """The names that a piece of code uses; "module.name" where one is read off another."""
    found = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
            found.add(f"{part.value.id}.{part.attr}")
        elif isinstance(part, ast.Name):
            found.add(part.id)
    return found - {name.partition(".")[0] for name in found if "." in name}


@dataclass(frozen=True)
class _Source:
    """A module's statements by the names that they define, and what it imports under which name."""

    tree: ast.Module
    defined: dict[str, list[ast.stmt]]
    imported: dict[str, Place]

    def nodes(self, name: str) -> list[ast.stmt]:
        return self.defined[name] if name else self.tree.body


def _is_ours(module: str) -> bool:
    return module == OURS or module.startswith(f"{OURS}.")


def _is_third_party(module: str) -> bool:
    package = module.partition(".")[0]
    return package in sys.stdlib_module_names or package in ("numpy", "scipy", "talib")


def _path(module: str) -> Path | None:
    """The file of a module; None where there is none."""
    loaded = sys.modules.get(module)
    if loaded is not None:
        file = getattr(loaded, "__file__", None)
        return Path(file) if file else None
    return _our_path(module) if _is_ours(module) else _found(module)


@cache
def _our_path(module: str) -> Path | None:
    return _found(module)


def _found(module: str) -> Path | None:
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.origin and spec.has_location else None


def _has_source(module: str) -> bool:
    return _path(module) is not None


def _read(module: str) -> _Source:
    path = _path(module)
    if path is None or path.suffix != ".py":
        return _Source(ast.Module([], []), {}, {})
    return _parse(path, module, path.stat().st_mtime_ns)


@lru_cache(maxsize=512)
def _parse(path: Path, module: str, _changed_at: int) -> _Source:
    tree = _bare(ast.parse(path.read_text(encoding="utf-8")))
    source = _Source(tree, {}, {})
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for statement in _statements(tree.body):
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                bound = alias.asname or alias.name.partition(".")[0]
                source.imported[bound] = (alias.name if alias.asname else bound, "")
        elif isinstance(statement, ast.ImportFrom):
            base = statement.module or ""
            if statement.level:
                above = package.rsplit(".", statement.level - 1)[0]
                base = f"{above}.{base}" if base else above
            for alias in statement.names:
                source.imported[alias.asname or alias.name] = (base, alias.name)
        else:
            for name in _defines(statement):
                source.defined.setdefault(name, []).append(statement)
    return source


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run on import; not those for type checkers alone."""
    for statement in body:
        if isinstance(statement, ast.If):
            if ast.unparse(statement.test) not in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
                yield from _statements([*statement.body, *statement.orelse])
        elif isinstance(statement, ast.Try):
            yield from _statements([*statement.body, *statement.orelse, *statement.finalbody])
            for handler in statement.handlers:
                yield from _statements(handler.body)
        else:
            yield statement


def _defines(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        yield statement.name
        return
    for part in ast.walk(statement):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            yield part.id


def _bare(tree: ast.Module) -> ast.Module:
    """The same without docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [line for line in node.body if not _is_text(line)] or [ast.Pass()]
    return tree


def _is_text(line: ast.stmt) -> bool:
    return (
        isinstance(line, ast.Expr)
        and isinstance(line.value, ast.Constant)
        and isinstance(line.value.value, str)
    )


@cache
def _our_text(place: Place) -> str:
    return _text(place)


def _text(place: Place) -> str:
    """A definition as a program, written in one way."""
    module, name = place
    path = _path(module)
    if path is not None and path.suffix != ".py":  # compiled: all that is known is its bytes
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return "\n".join(ast.unparse(node) for node in _read(module).nodes(name))
