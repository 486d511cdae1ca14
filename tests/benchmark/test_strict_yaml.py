"""YAML into dataclasses: all mistakes at once, none passed over, and nothing that a hostile file can break."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import small_world as world
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.errors import ProtocolError
from benchmark.strict_yaml import build, keywords, read_yaml


@dataclass(frozen=True)
class Inner:
    low: float | None
    unit: Literal["m", "km"]


@dataclass(frozen=True)
class Outer:
    name: str
    count: int
    factor: float
    shown: bool
    sides: tuple[int, ...]
    units: dict[str, str]
    inner: Inner


@dataclass(frozen=True)
class Short:
    place: Path
    note: str = "none"


GOOD: dict[str, Any] = {
    "name": "a", "count": 3, "factor": 1, "shown": True, "sides": [1, 2], "units": {"x": "m"},
    "inner": {"low": None, "unit": "m"},
}  # fmt: skip


def problems(**changes: Any) -> str:
    with pytest.raises(ProtocolError) as caught:
        build(Outer, GOOD | changes, source="a b.yaml", error=ProtocolError)
    assert str(caught.value).startswith("a b.yaml: ")
    return str(caught.value).removeprefix("a b.yaml: ")


def yaml_problem(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "a b.yaml"
    path.write_bytes(content)
    with pytest.raises(ProtocolError) as caught:
        read_yaml(path, ProtocolError)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_complete_mapping() -> None:
    built = build(Outer, GOOD, source="a", error=ProtocolError)
    assert built == Outer("a", 3, 1.0, True, (1, 2), {"x": "m"}, Inner(None, "m"))
    assert isinstance(built.factor, float)


def test_a_field_with_a_default_may_be_missing() -> None:
    assert build(Short, {"place": "a/b"}, source="a", error=ProtocolError) == Short(Path("a/b"), "none")
    assert build(Short, {"place": "a", "note": "b"}, source="a", error=ProtocolError) == Short(Path("a"), "b")
    with pytest.raises(ProtocolError, match=r"^a: missing key place; note is 5 \(int\); expected str$"):
        build(Short, {"note": 5}, source="a", error=ProtocolError)
    with pytest.raises(ProtocolError, match=r"^a: is \[1\]; expected keys and values$"):
        build(Short, [1], source="a", error=ProtocolError)


def test_all_mistakes_are_reported_at_once() -> None:
    bad = {
        "nam": "a",
        "count": "3",
        "factor": "1e-3",
        "shown": "yes",
        "sides": 4,
        "units": {"x": 1},
        "inner": {"unit": "cm", "hight": 2},
    }
    with pytest.raises(ProtocolError) as caught:
        build(Outer, bad, source="a.yaml", error=ProtocolError)
    assert str(caught.value) == "a.yaml: " + "; ".join(
        [
            "unknown key nam (did you mean name?)",
            "missing key name",
            "count is '3' (str); expected int",
            "factor is '1e-3' (str); expected float (YAML reads 1e-3 as text: write 1.0e-3 or 0.001)",
            "shown is 'yes' (str); expected bool",
            "sides is 4 (int); expected tuple[int, ...]",
            "units.x is 1 (int); expected str",
            "unknown key inner.hight",
            "missing key inner.low",
            "inner.unit is 'cm'; known: m, km",
        ]
    )


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("name", False, "name is False (bool); expected str (YAML reads no, off and yes as booleans: quote the word)"),
        ("name", None, "name is None (NoneType); expected str"),
        ("count", True, "count is True (bool); expected int"),
        ("count", 3.0, "count is 3.0 (float); expected int"),
        ("factor", False, "factor is False (bool); expected float"),
        ("factor", float("nan"), "factor is nan (float); expected float that is finite"),
        ("factor", float("-inf"), "factor is -inf (float); expected float that is finite"),
        ("factor", 10**400, "expected float that is finite"),
        ("sides", [1, "2"], "sides[1] is '2' (str); expected int"),
        ("units", {1: "m"}, "units key 1 is 1 (int); expected str"),
        ("inner", "m", "inner is 'm' (str); expected Inner"),
        ("inner", {"low": "0", "unit": "m"}, "inner.low is '0' (str); expected float"),
        ("inner", {"low": None, "unit": ["m"]}, "inner.unit is ['m']; known: m, km"),
    ],
)
def test_wrong_types(key: str, value: Any, said: str) -> None:
    assert said in problems(**{key: value})


def test_reading_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: café\nlow: null\n", "utf-8")
    assert read_yaml(tmp_path / "a.yaml", ProtocolError) == {"name": "café", "low": None}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds nothing; expected keys and values"),
        (b"- a", "holds a list; expected keys and values"),
        (b"text", "holds a str; expected keys and values"),
        (b"a: 1\nb: 2\na: 3\nb: 4", "repeated keys: a, b"),
        (b"a: {b: 1, b: 2}", "repeated keys: b"),
        (b"a: &x 1\nb: *x", "aliases are not allowed"),
        (b"a: &x [1]\nb: {<<: *x}", "aliases are not allowed"),
        (b"<<: {a: 1}", "could not determine a constructor"),
        (b"a: !!python/object/apply:os.system ['touch executed']", "could not determine a constructor"),
        (b"a: !!python/name:os.system", "could not determine a constructor"),
        (b"a: [", "while parsing"),
        (b"a: 1\n---\nb: 2", "expected a single document"),
        (b"[1]: 2", "unhashable key"),
        (b"{a: 1}: 2", "unhashable key"),
        (b"\xff\xfe\xfa", "codec can't decode"),
        (b"a: \x00", "special characters are not allowed"),
        (b"a: 2001-99-99", "month must be in 1..12"),
        (b"a: !!int ''", "cannot be read as YAML"),
        (b"a: !!bool maybe", "cannot be read as YAML"),
        (b"a: !!float x", "could not convert"),
        (b"a: " + b"9" * 5000, "cannot be read as YAML"),
        (b"a: " + b"[" * 5000, "recursion depth"),
        (b"a: '" + b"x" * 1_000_000 + b"'", "larger than 1000000 bytes; that is not a hand-written YAML file"),
    ],
)
def test_bad_files(tmp_path: Path, content: bytes, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in yaml_problem(tmp_path, content)
    assert not (tmp_path / "executed").exists()


def test_many_keys_take_no_time_that_grows_with_their_square(tmp_path: Path) -> None:
    content = "{" + ",".join(f"k{i}" for i in range(20_000)) + "}"
    (tmp_path / "a.yaml").write_text(content)
    assert len(read_yaml(tmp_path / "a.yaml", ProtocolError)) == 20_000


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match=r"none.yaml: cannot be read as YAML: .*No such file"):
        read_yaml(tmp_path / "none.yaml", ProtocolError)


@settings(max_examples=200)
@given(
    content=st.one_of(st.binary(max_size=60), st.text(alphabet="ab01:-[]{}!&*|>'\"#%@,? \n\t.~<", max_size=60).map(str.encode))
)
def test_anything_is_a_mapping_or_an_input_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "random.yaml"
    path.write_bytes(content)
    with world.only_refusals_of(path):
        assert isinstance(read_yaml(path, ProtocolError), dict)


# Keyword arguments


class Network:
    def __init__(self, *, layers: int = 18, scales: Sequence[int] = (0,), width: float) -> None:
        self.made = (layers, scales, width)


def loss(views: object, *, weight: float, names: Any = None, mask: bool = True) -> None:
    """A function with a positional parameter, which is the caller's."""


def arguments(function: Callable[..., Any], content: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    problems: list[str] = []
    return keywords(function, content, place="a.", problems=problems), problems


def test_keywords_of_a_constructor_and_of_a_function() -> None:
    made, problems = arguments(Network, {"layers": 50, "scales": [0, 1], "width": 1})
    assert (made, problems) == ({"layers": 50, "scales": (0, 1), "width": 1.0}, [])
    assert Network(**made).made == (50, (0, 1), 1.0)
    assert arguments(loss, {"weight": 2, "names": [1, "b"], "mask": False})[1] == []


def test_a_default_does_not_excuse_a_key_unless_it_is_none() -> None:
    assert arguments(Network, {"width": 1.0})[1] == ["missing key a.layers", "missing key a.scales"]
    assert arguments(loss, {"weight": 2, "mask": True}) == ({"weight": 2.0, "mask": True}, [])


def test_all_wrong_keywords_are_reported() -> None:
    _, problems = arguments(Network, {"layer": 18, "scales": 4, "self": 1})
    assert problems == [
        "unknown key a.layer (did you mean layers?)",
        "unknown key a.self",
        "missing key a.layers",
        "a.scales is 4 (int); expected collections.abc.Sequence[int]",
        "missing key a.width",
    ]
    _, problems = arguments(loss, {"views": 1, "weight": "1", "mask": 1})
    assert problems == [
        "unknown key a.views",
        "a.weight is '1' (str); expected float (YAML reads 1e-3 as text: write 1.0e-3 or 0.001)",
        "a.mask is 1 (int); expected bool",
    ]
