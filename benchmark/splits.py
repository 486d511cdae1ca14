"""The frame lists of the field, each held to its published count and sha256.

A split is data in the package `splits`: <family>/{train,val,test}.csv and index.yaml, which says what each must hold.
Code reads these files and never edits them; a list that differs from the index is an error. Other lists are read by
`read_list`; those that a data set brings itself by `listed_splits.listed_split`.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cache, cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal, NamedTuple

from benchmark.errors import SplitError
from benchmark.io.files import atomic_write
from benchmark.split_formats import Frame, export_text, frame_id, parse_frame_id, parse_list
from benchmark.strict_yaml import build, read_yaml

__all__ = [
    "Frame",
    "IndexEntry",
    "RawStretch",
    "Split",
    "Verification",
    "describe_split",
    "export_split",
    "find_entry",
    "frame_id",
    "load_split",
    "odometry_to_raw",
    "parse_frame_id",
    "read_index",
    "read_list",
    "resolve_split",
    "split_sha256",
    "verify_split",
]

MAX_LIST_BYTES = 256_000_000


@dataclass(frozen=True)
class IndexEntry:
    """What index.yaml says a split holds; sha256 is None where the data set itself brings the list. `counts` is what `frames`
    counts: frames, or samples of several cameras."""

    dataset: str
    role: str
    frames: int
    drives: int | None
    ordered: bool
    sha256: str | None
    source: str
    note: str = ""
    counts: str = "frames"


@dataclass(frozen=True)
class Split:
    """A list of frames of one data set, with the sha256 of its membership (and of its order, where `ordered`). `notes` are
    what people should know of it, such as scenes that lack a camera."""

    name: str
    dataset: str
    role: str
    ordered: bool
    frames: tuple[Frame, ...]
    sha256: str
    source: str
    notes: tuple[str, ...] = ()

    @cached_property
    def frame_ids(self) -> tuple[str, ...]:
        """The ids of the frames, in order."""
        return tuple(frame_id(frame, self.dataset) for frame in self.frames)

    @cached_property
    def drives(self) -> tuple[str, ...]:
        """The distinct drives (sequences, scenes), in order of appearance."""
        return tuple(dict.fromkeys(frame.drive for frame in self.frames))


class Verification(NamedTuple):
    """One line of `splits verify`: the split, its state, and what was found."""

    name: str
    status: Literal["ok", "needs data", "mismatch"]
    detail: str


class RawStretch(NamedTuple):
    """The raw drive and its frames (both ends included) that an odometry sequence is."""

    drive: str
    first_frame: int
    last_frame: int


def load_split(name: str, *, root: Traversable | None = None) -> Split:
    """The split called `family/role`, checked against its index entry. `root` replaces the installed folder of splits.

    Raises:
        SplitError: the name is unknown, the list is not here, a frame repeats, a count or the sha256 is another.
    """
    entry = _entry(name, read_index(root))
    if entry.sha256 is None:
        raise SplitError(
            f"{name}: needs data, this list is not in the repository ({entry.source}; {entry.note}). Its frames come with "
            "the data: `depthbench export_gt` looks for them, and `evaluate` takes them from the ground truth in --gt"
        )
    file = (_installed() if root is None else root).joinpath(f"{name}.csv")
    parsed = parse_list(_read_text(file), str(file))
    frames = parsed.frames if entry.ordered else tuple(sorted(parsed.frames))
    split = Split(
        name=name, dataset=entry.dataset, role=entry.role, ordered=entry.ordered, frames=frames,
        sha256=split_sha256(frames, entry.ordered), source=entry.source,
    )  # fmt: skip
    _hold_to_index(split, parsed.dataset, entry, str(file))
    return split


def read_list(path: Path) -> Split:
    """Any list of frames in the field's forms (see split_formats), in file order.

    Raises:
        SplitError: the file is missing, empty or unreadable; the message names the line.
    """
    parsed = parse_list(_read_text(path), str(path))
    return Split(
        name=path.stem, dataset=parsed.dataset, role="custom", ordered=True, frames=parsed.frames,
        sha256=split_sha256(parsed.frames, True), source=str(path),
    )  # fmt: skip


def resolve_split(text: str) -> Split:
    """The split of that name, else the list in that file."""
    index = read_index()
    if text in index or not Path(text).is_file():
        return load_split(text)
    return read_list(Path(text))


def split_sha256(frames: Iterable[Frame], ordered: bool) -> str:
    """Hash of a membership over "{drive} {camera} {frame}\\n", in list order if `ordered`, else sorted as tuples."""
    lines = (f"{drive} {camera} {number}\n" for drive, camera, number in (frames if ordered else sorted(frames)))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def verify_split(name: str, *, root: Traversable | None = None) -> Verification:
    """Whether the split is here and is what the index says; an unknown name raises SplitError."""
    entry = _entry(name, read_index(root))
    if entry.sha256 is None:
        return Verification(name, "needs data", f"{entry.frames} {entry.counts}: {entry.source}")
    try:
        split = load_split(name, root=root)
    except SplitError as error:
        return Verification(name, "mismatch", str(error))
    return Verification(name, "ok", f"{len(split.frames)} frames, {len(split.drives)} drives, sha256 {split.sha256[:12]}")


def describe_split(text: str) -> list[tuple[str, str]]:
    """What `splits show` prints: (word, value) pairs of a split or list, of the index entry where it needs data."""
    entry = find_entry(text)
    if entry is not None and entry.sha256 is None:
        return [("name", text), *((field.name, str(getattr(entry, field.name))) for field in fields(entry))]
    split = resolve_split(text)
    cameras = sorted({frame.camera for frame in split.frames})
    pairs = [
        ("name", split.name), ("data set", split.dataset), ("role", split.role), ("frames", str(len(split.frames))),
        ("drives", str(len(split.drives))), ("cameras", " ".join(cameras)), ("ordered", str(split.ordered)),
        ("first", split.frame_ids[0]), ("last", split.frame_ids[-1]), ("sha256", split.sha256),
        ("source", split.source),
    ]  # fmt: skip
    return pairs + ([("note", entry.note)] if entry and entry.note else [])


def export_split(split: Split, form: str, path: Path) -> int:
    """Write the split in one of split_formats.EXPORTS, whole or not at all; the number of lines written."""
    text = export_text(split, form)
    try:
        with atomic_write(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise SplitError(f"{path}: {split.name} cannot be written there: {error.strerror or error}") from error
    return text.count("\n")


def read_index(root: Traversable | None = None) -> dict[str, IndexEntry]:
    """All splits by name, in the order of index.yaml; no list is read."""
    return dict(_installed_index()) if root is None else _read_index(root)


@cache
def _installed_index() -> dict[str, IndexEntry]:
    return _read_index(_installed())


def _read_index(root: Traversable) -> dict[str, IndexEntry]:
    file = root.joinpath("index.yaml")
    table = read_yaml(file, SplitError)
    return {str(name): build(IndexEntry, values, source=f"{file}: {name}", error=SplitError) for name, values in table.items()}


def odometry_to_raw() -> dict[str, RawStretch]:
    """Which raw drive and frames each odometry sequence is (00-10; those of 11-21 are not published)."""
    file = _installed().joinpath("kitti_odometry_to_raw.csv")
    header, *rows = _read_text(file).split()
    if header != "sequence,drive,first_frame,last_frame":
        raise SplitError(f"{file}: unexpected header {header!r}")
    cells = [row.split(",") for row in rows]
    return {sequence: RawStretch(drive, int(first), int(last)) for sequence, drive, first, last in cells}


def _installed() -> Traversable:
    root = resources.files("splits")
    if not root.joinpath("index.yaml").is_file():
        raise SplitError(
            f"the folder of splits was not found: the package `splits` was loaded from {root}, which holds no "
            "index.yaml: another folder of that name shadows it. Run elsewhere, or take that folder off PYTHONPATH."
        )
    return root


def find_entry(name: str, index: dict[str, IndexEntry] | None = None) -> IndexEntry | None:
    """The index entry of a split, also of a choice of a list that comes with its data set: `ddad/val@CAMERA_01`."""
    known = read_index() if index is None else index
    base = known.get(re.split("[@+]", name, maxsplit=1)[0])
    return known.get(name, base if base is not None and base.sha256 is None else None)


def _entry(name: str, index: dict[str, IndexEntry]) -> IndexEntry:
    entry = find_entry(name, index)
    if entry is not None:
        return entry
    near = difflib.get_close_matches(name, index, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(index)}"
    raise SplitError(f"unknown split {name!r}, and no file of that name; {hint}")


def _hold_to_index(split: Split, dataset: str, entry: IndexEntry, where: str) -> None:
    found = {"frames": len(split.frames), "drives": len(split.drives), "sha256": split.sha256, "data set": dataset}
    expected = {"frames": entry.frames, "drives": entry.drives, "sha256": entry.sha256, "data set": entry.dataset}
    wrong = [f"{key} {found[key]}, expected {expected[key]}" for key in found if found[key] != expected[key]]
    if wrong:
        raise SplitError(
            f"{where}: the list is not the published split {split.name}: {'; '.join(wrong)}. Restore the file from the "
            "repository; to score another set of frames, pass it as a file of its own."
        )


def _read_text(file: Traversable) -> str:
    try:
        data = file.read_bytes()
        if len(data) > MAX_LIST_BYTES:
            raise SplitError(f"{file}: {len(data)} bytes is no list of frames; expected at most {MAX_LIST_BYTES}")
        return data.decode("utf-8")
    except OSError as error:
        raise SplitError(f"{file}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise SplitError(
            f"{file}, line {line}: not text in UTF-8 (byte {data[error.start]:#04x}); expected one frame a line"
        ) from error
