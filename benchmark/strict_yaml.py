"""YAML into frozen dataclasses: every unknown, missing and mistyped key is reported at once."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import types
import typing
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

import yaml

from benchmark.errors import InputError

MAX_BYTES = 1_000_000
MAX_NUMBER = 1e300  # NaN and inf are no settings
T = TypeVar("T")


class _Loader(yaml.SafeLoader):
    """SafeLoader without aliases and without repeated keys. (The one in C crashes on 200,000 nested brackets.)"""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        counts = Counter(key for key in keys if isinstance(key, Hashable))
        repeated = sorted(str(key) for key, count in counts.items() if count > 1)
        if repeated:
            raise yaml.YAMLError(f"repeated keys: {', '.join(repeated)}")
        return super().construct_mapping(node, deep)


def read_yaml(path: Traversable, error: type[InputError]) -> dict[str, Any]:
    """The mapping in a YAML file of at most 1 MB, without aliases.

    Raises:
        error: unreadable, too large, not a mapping, or with aliases or repeated keys.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise error(f"{path}: larger than {MAX_BYTES} bytes; that is not a hand-written YAML file")
        content = yaml.load(raw.decode("utf-8"), _Loader)
    except InputError:
        raise
    except Exception as problem:  # PyYAML lets through what int(), datetime() and b64decode() raise on hostile values
        raise error(f"{path}: cannot be read as YAML: {' '.join(str(problem).split())}") from problem
    if not isinstance(content, dict):
        what = "nothing" if content is None else f"a {type(content).__name__}"
        raise error(f"{path}: holds {what}; expected keys and values")
    return content


def build(cls: type[T], content: object, *, source: str, error: type[InputError]) -> T:
    """A dataclass from a mapping, nested dataclasses included; a key may be missing where its field has a default.

    Raises:
        error: not a mapping; one paragraph that lists every unknown, missing and mistyped key with its place.
    """
    if not isinstance(content, dict):
        raise error(f"{source}: is {content!r:.200}; expected keys and values")
    problems: list[str] = []
    built = _build(cls, content, "", problems)
    if problems:
        raise error(f"{source}: {'; '.join(problems)}")
    return typing.cast("T", built)


def keywords(function: Callable[..., Any], content: dict[str, Any], *, place: str, problems: list[str]) -> dict[str, Any]:
    """The keyword arguments of a function or constructor out of a mapping; unknown, missing and mistyped ones go to `problems`.

    The defaults are for callers in Python: a mapping has to name every keyword, but for those whose default is None, which are
    for what is not there. Positional parameters without a default (self, views) are the caller's business.
    """
    parameters = [
        p for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY or p.default is not p.empty
    ]
    hints = typing.get_type_hints(vars(function)["__init__"] if isinstance(function, type) else function)
    names = {p.name: p.default is not None for p in parameters}
    return _values(hints, names, content, place, problems)


def _build(cls: Any, content: dict[str, Any], place: str, problems: list[str]) -> Any:
    required = {f.name: f.default is dataclasses.MISSING for f in dataclasses.fields(cls)}
    values = _values(typing.get_type_hints(cls), required, content, place, problems)
    return None if problems else cls(**values)


def _values(
    hints: dict[str, Any], required: dict[str, bool], content: dict[str, Any], place: str, problems: list[str]
) -> dict[str, Any]:
    """Each named value of the mapping, converted; `required` says of each name whether it may not be missing."""
    for key in content:
        if key not in required:
            close = difflib.get_close_matches(str(key), required, 1)
            problems.append(f"unknown key {place}{key}" + (f" (did you mean {close[0]}?)" if close else ""))
    values = {}
    for name, must in required.items():
        if name in content:
            values[name] = _convert(hints[name], content[name], place + name, problems)
        elif must:
            problems.append(f"missing key {place}{name}")
    return values


def _convert(hint: Any, value: Any, place: str, problems: list[str]) -> Any:  # noqa: PLR0911, PLR0912
    if hint is Any:
        return value
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Path:
        if isinstance(value, str):
            return Path(value)
    elif dataclasses.is_dataclass(hint):
        if isinstance(value, dict):
            return _build(hint, value, f"{place}.", problems)
    elif origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _convert(next(a for a in args if a is not type(None)), value, place, problems)
    elif origin in (tuple, Sequence):
        if isinstance(value, list):
            return tuple(_convert(args[0], v, f"{place}[{i}]", problems) for i, v in enumerate(value))
    elif origin is dict:
        if isinstance(value, dict):
            return {
                _convert(args[0], k, f"{place} key {k!r}", problems): _convert(args[1], v, f"{place}.{k}", problems)
                for k, v in value.items()
            }
    elif origin is typing.Literal:
        if value in args:
            return value
        problems.append(f"{place} is {value!r}; known: {', '.join(map(str, args))}")
        return None
    elif hint is float:
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MAX_NUMBER:
            return float(value)
    elif isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    problems.append(f"{place} is {value!r} ({type(value).__name__}); expected {_name(hint)}{_trap(hint, value)}")
    return None


def _name(hint: Any) -> str:
    return getattr(hint, "__name__", str(hint)) if typing.get_origin(hint) is None else str(hint)


def _trap(hint: Any, value: Any) -> str:
    """What YAML 1.1 does to what people write."""
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return " that is finite"
    if hint is float and isinstance(value, str):
        return " (YAML reads 1e-3 as text: write 1.0e-3 or 0.001)"
    if hint is str and isinstance(value, bool):
        return " (YAML reads no, off and yes as booleans: quote the word)"
    return ""
