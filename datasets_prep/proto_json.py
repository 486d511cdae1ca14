"""Fields of proto3 messages that were written as JSON: both spellings of a name, the default where a field is left out.

Every function takes the message, the field in snake_case and `where` the message stands, which errors name.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.errors import DatasetError

MAX_BYTES = 1 << 28  # a scene of DDAD takes a few MB
MAX_NUMBER = 1e30  # no length, angle or count comes near; float32 holds it
WORDS: dict[type, str] = {dict: "an object", list: "a list", str: "a text"}


def read_json(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises:
        DatasetError: missing, larger than any scene, no JSON, or another value than an object.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DatasetError(f"{path}: {path.stat().st_size} bytes; expected a JSON of at most {MAX_BYTES}")
        value = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: no such file; unpack the scene again, or pass the root of another --data") from error
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be read ({error.strerror or error}); correct its permissions, or unpack the scene again"
        ) from error
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DatasetError(f"{path}: cannot be read as JSON ({reason}); the file is damaged: unpack it again") from error
    if not isinstance(value, dict):
        raise DatasetError(f"{path}: holds {type(value).__name__}, expected a JSON object; unpack the scene again")
    return value


def text(of: Mapping[str, Any], name: str, where: str) -> str:
    """A text, empty where it is left out."""
    return str(_typed(of, name, where, str))


def items(of: Mapping[str, Any], name: str, where: str) -> Sequence[Any]:
    """A list, empty where it is left out."""
    return list(_typed(of, name, where, list))


def texts(of: Mapping[str, Any], name: str, where: str) -> list[str]:
    """A list of texts, empty where it is left out."""
    return [text({name: one}, name, where) for one in items(of, name, where)]


def message(of: Mapping[str, Any], name: str, where: str) -> dict[str, Any]:
    """A message or a map, empty where it is left out."""
    return dict(_typed(of, name, where, dict))


def messages(of: Mapping[str, Any], name: str, where: str) -> list[dict[str, Any]]:
    """A list of messages, empty where it is left out."""
    return [message({name: one}, name, f"{where}: {name}[{i}]") for i, one in enumerate(items(of, name, where))]


def number(of: Mapping[str, Any], name: str, where: str) -> float:
    """A number below MAX_NUMBER, 0 where it is left out."""
    value = _find(of, name)
    if value is None:
        return 0.0
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not abs(found) < MAX_NUMBER:
        raise DatasetError(f"{where}: {name}: {repr(value)[:80]} is no number in range; the file is damaged: unpack it again")
    return found


def numbers(of: Mapping[str, Any], names: Sequence[str], where: str) -> tuple[float, ...]:
    """Several numbers of one message."""
    return tuple(number(of, name, where) for name in names)


def integer(of: Mapping[str, Any], name: str, where: str) -> int:
    """A whole number, 0 where it is left out."""
    value = number(of, name, where)
    if not value.is_integer():
        raise DatasetError(f"{where}: {name}: {value} is no whole number; the file is damaged: unpack it again")
    return int(value)


def _typed(of: Mapping[str, Any], name: str, where: str, kind: type) -> Any:
    value = _find(of, name)
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise DatasetError(
            f"{where}: {name or 'entry'}: {repr(value)[:80]}, expected {WORDS[kind]}; the file is damaged: unpack it again"
        )
    return value


def _find(of: Mapping[str, Any], name: str) -> Any:
    value = of.get(name)
    return of.get(re.sub(r"_(.)", lambda match: match[1].upper(), name)) if value is None else value
