"""What is wrong with settings, in words: the key, its value, and what is allowed there.

The file that they stand in may be wrong already.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from crypto_nn.errors import ConfigError

_KEYS = ("sources", "database")
"""Where a key or an address with its password may stand by mistake: texts are not repeated."""
_HIDDEN = ("alerts",)
"""Where an address is a secret: no value is ever repeated."""
_GROUP = ("model_type", "model_attributes_type", "dict_type", "mapping_type")


def told(error: ValidationError, root: type[BaseModel], prefix: str = "") -> str:
    """Every mistake that `error` found in the settings of a `root`, one after the other.

    `prefix` is where these settings stand among all, such as "model.settings.".
    """
    return "; ".join(_one(problem, root, prefix) for problem in error.errors())


def read_settings(path: Path) -> Mapping[str, Any]:
    """The settings in a YAML file; none where it is empty.

    Raises:
        ConfigError: the file is missing, cannot be read, or is not YAML.
    """
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"There is no file {path}. Make one with `crypto-nn config init`."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read ({type(error).__name__}); a UTF-8 text file is due."
        ) from None
    except yaml.MarkedYAMLError as error:  # its own text would show the line, secrets too
        mark = error.problem_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(f"{path} is not YAML{where}: {error.problem}.") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML ({type(error).__name__}).") from None
    if settings is not None and not isinstance(settings, Mapping):
        raise ConfigError(f"{path} holds a {type(settings).__name__}; settings are due.")
    return settings or {}


def _one(problem: Any, root: type[BaseModel], prefix: str) -> str:
    where = (prefix + ".".join(str(part) for part in problem["loc"])).rstrip(".")
    group = where.split(".")[0]
    if problem["type"] == "extra_forbidden":
        return f"{where} is not a setting{_allowed(problem['loc'], root)}"
    if problem["type"] == "missing":
        return f"{where} is missing"
    if problem["type"] == "value_error":
        text = str(problem["ctx"]["error"]).rstrip(".")
        # A check of several settings names the place itself.
        return text if not where or text.startswith(where + ".") else f"{where}: {text}"
    due = problem["msg"].replace("Input should be", "it should be")
    if problem["type"] in _GROUP:
        due = "settings are due there, each a name and a value"
    given = problem["input"]
    if group in _HIDDEN or (group in _KEYS and not isinstance(given, int | float | None)):
        return f"{where}: {due}"
    return f"{where} is {given!r}; {due}"


def _allowed(path: tuple[int | str, ...], root: type[BaseModel]) -> str:
    """The names that there are beside the last of `path`, the most alike first where one is."""
    group: Any = root
    for part in path[:-1]:
        found = group.model_fields.get(part) if _is_settings(group) else None
        group = _settings_in(found.annotation) if found else None
    if not _is_settings(group):
        return ""
    names = list(group.model_fields)
    alike = get_close_matches(str(path[-1]), names, n=1)
    if alike:
        return f" (did you mean {alike[0]}?)"
    return f"; there are {', '.join(names)}" if names else "; there are none"


def _settings_in(annotation: Any) -> Any:
    """The one class of settings that a field holds, or None where it holds something else."""
    if _is_settings(annotation):
        return annotation
    found = [each for each in get_args(annotation) if _is_settings(each)]
    return found[0] if len(found) == 1 and type(None) in get_args(annotation) else None


def _is_settings(thing: Any) -> bool:
    return isinstance(thing, type) and issubclass(thing, BaseModel)
