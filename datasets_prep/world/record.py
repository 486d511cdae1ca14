"""Whose folder it is: `world.yaml` says what was rendered into it, and only what it names is ever deleted."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import yaml

from benchmark.errors import DatasetError
from benchmark.io.files import atomic_write, is_temporary, sweep_abandoned, temporary_beside
from benchmark.splits import Split
from benchmark.strict_yaml import build, read_yaml
from datasets_prep.world.street import Street

NAME = "world.yaml"
GENERATOR = 1  # raised whenever a file of the same seed and size would be another
MAX_FRAMES = 100_000  # of a drive: nearly three hours


@dataclass(frozen=True)
class Record:
    """What lies in a world's folder: the number of frames of each drive (sequence, scene), which is in train or in val."""

    generator: int
    seed: int
    height: int
    width: int
    train: dict[str, int]
    val: dict[str, int]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the images in pixels."""
        return self.height, self.width

    @property
    def identity(self) -> str:
        """What must be equal for two frames of the same name to be the same, for people."""
        return f"seed {self.seed}, size {self.height}x{self.width}, generator {self.generator}"

    @property
    def drives(self) -> dict[str, int]:
        """Number of frames by drive."""
        return self.val | self.train

    def part(self, drive: str) -> str:
        """`train` or `val`, where a drive is."""
        return "train" if drive in self.train else "val"


class Form(NamedTuple):
    """How a world is written in the layout of one data set; `root` is the folder that holds its `world.yaml`.

    `folder`: the root below the data folder. `size`: height and width where none are asked for. `name`, `example`: of a drive
    (sequence, scene) of the world. `cameras`: those whose images are written. `place`: of a frame in its drive, from the
    number in its name; None where it is not of the world. `street`: of a seed and a drive. `texts`: root and record to the
    files that are not of one frame. `paths`: root, record, drive, index to the files of a frame. `make`: root, record, drive,
    street, index to what is in them.
    """

    folder: str
    size: tuple[int, int]
    name: re.Pattern[str]
    example: str
    cameras: tuple[str, ...]
    place: Callable[[int], int | None]
    street: Callable[[int, str], Street]
    texts: Callable[[Path, Record], dict[Path, bytes]]
    paths: Callable[[Path, Record, str, int], Sequence[Path]]
    make: Callable[[Path, Record, str, Street, int], dict[Path, bytes]]


def wanted(form: Form, splits: Sequence[Split], *, seed: int, shape: tuple[int, int]) -> Record:
    """What the splits need: each drive from its frame 0 to the last frame that a split names.

    Raises:
        DatasetError: a split of other drives than the world's, of a camera that it does not have, or far too long.
    """
    frames: dict[str, dict[str, int]] = {"train": {}, "val": {}}
    for split in splits:
        part = frames["train" if split.role == "train" else "val"]
        for frame in split.frames:
            index = form.place(frame.number) if form.name.fullmatch(frame.drive) else None
            if index is None or not 0 <= index < MAX_FRAMES:
                raise DatasetError(
                    f"{split.name}: {frame.drive} frame {frame.number} is not of the world, expected drives such as "
                    f"{form.example} and frames below {MAX_FRAMES}; choose another split, such as world_small/test"
                )
            if frame.camera not in form.cameras:
                raise DatasetError(
                    f"{split.name}: {frame.drive} frame {frame.number} is of {frame.camera}, the world has "
                    f"{' and '.join(form.cameras)}; name one of them in the list"
                )
            part[frame.drive] = max(part.get(frame.drive, 0), index + 1)
    return _joined(Record(GENERATOR, seed, *shape, {}, {}), frames["train"], frames["val"])


def _joined(record: Record, train: dict[str, int], val: dict[str, int]) -> Record:
    """A record with more drives or frames; a drive stays in the part where it is, else a training drive is in train."""
    parts = {"train": dict(record.train), "val": dict(record.val)}
    for new, part in ((train, "train"), (val, "val")):
        for drive, count in new.items():
            own = parts[record.part(drive) if drive in record.drives else "train" if drive in train else part]
            own[drive] = max(own.get(drive, 0), count)
    return Record(record.generator, record.seed, record.height, record.width, **parts)


def claim(form: Form, root: Path, new: Record, *, force: bool) -> Record:
    """Make a folder ours, or find that it is; the record of all that is or will be in it, written before the first frame.

    Args:
        form: of the layout.
        root: the folder of the layout, which may hold those of others.
        new: what is to be rendered.
        force: start over where another world is, deleting what `world.yaml` names; write beside foreign files.

    Raises:
        DatasetError: the folder holds other files or another world.
        OSError: it cannot be read or written.
    """
    old = read_record(form, root)
    if old is None:
        _refuse_foreign(form, root, new, force=force)
    elif force:
        _delete(form, root, old)
    elif old.identity != new.identity:
        raise DatasetError(
            f"{root / NAME}: the folder holds a world of {old.identity}, asked for is {new.identity}. Choose another --out, or "
            "pass --force, which deletes that world (and no other file) and starts over"
        )
    both = new if old is None or force else _joined(old, new.train, new.val)
    root.mkdir(parents=True, exist_ok=True)
    with atomic_write(root / NAME) as file:
        file.write(yaml.safe_dump(asdict(both), sort_keys=False).encode())
    files = set(_files(form, root, both))
    # The name of a DGP scene's file is the hash of what is in it, so that a longer scene has another one.
    for outdated in set() if old is None else set(_files(form, root, old)) - files:
        outdated.unlink(missing_ok=True)
    for folder in _folders(files):
        folder.mkdir(parents=True, exist_ok=True)
        sweep_abandoned(folder)
    return both


def read_record(form: Form, root: Path) -> Record | None:
    """What `world.yaml` of a folder says; None where there is none.

    Raises:
        DatasetError: it is no record of a world.
    """
    path = root / NAME
    if not path.is_file():
        return None
    record = build(Record, read_yaml(path, DatasetError), source=str(path), error=DatasetError)
    strange = [d for d, count in record.drives.items() if not (form.name.fullmatch(d) and 0 < count <= MAX_FRAMES)]
    if strange:
        raise DatasetError(
            f"{path}: {strange[0]!r} with {record.drives[strange[0]]} frames is no drive of the world, expected drives such as "
            f"{form.example} with 1 to {MAX_FRAMES} frames; choose another --out"
        )
    return record


def _refuse_foreign(form: Form, root: Path, new: Record, *, force: bool) -> None:
    if root.exists() and not root.is_dir():
        raise DatasetError(f"{root}: a file; a folder to render into was expected. Choose another --out")
    # A temporary file alone is the record that another process writes just now; a folder with a record is another layout.
    found = [one for one in root.iterdir() if not is_temporary(one) and not (one / NAME).is_file()] if root.is_dir() else []
    if not found:
        return
    if not force:
        raise DatasetError(
            f"{root}: the folder is not empty and has no {NAME}, so its {len(found)} files and folders are "
            "not of a world that was rendered here. Choose another --out, or pass --force to render beside them; what is not "
            "of a world is never deleted or overwritten"
        )
    owned = _folders(_files(form, root, new))
    taken = next((path for path in sorted(owned, key=lambda path: (len(path.parts), path)) if path.exists()), None)
    if taken is not None:
        raise DatasetError(
            f"{taken}: is there, although no {root / NAME} says that it was rendered here; with --force, too, nothing foreign "
            "is deleted or overwritten. Move it away, or choose another --out"
        )


def _files(form: Form, root: Path, record: Record) -> Iterator[Path]:
    """Every file that a record names, `world.yaml` apart."""
    yield from form.texts(root, record)
    for drive, count in record.drives.items():
        for index in range(count):
            yield from form.paths(root, record, drive, index)


def _folders(files: Iterable[Path]) -> set[Path]:
    return {path.parent for path in files}


def _delete(form: Form, root: Path, record: Record) -> None:
    """Remove the files that a record names and the folders that are then empty; `world.yaml` stays until it is replaced."""
    files = list(_files(form, root, record))
    for path in files:
        path.unlink(missing_ok=True)
    folders = _folders(files)
    for folder in folders:
        sweep_abandoned(folder)
    above = {parent for folder in folders for parent in (folder, *folder.parents) if parent.is_relative_to(root)} - {root}
    for folder in sorted(above, key=lambda path: len(path.parts), reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def write_file(path: Path, content: bytes) -> None:
    """A file that appears only whole: written under another name and renamed.

    It is not synced to disk, which would take four times as long: what a power failure tears is found and made again.
    """
    temporary = temporary_beside(path)
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(data: Path) -> Iterator[None]:
    """Turn what the system says of a full or read-only disk into an error for people."""
    try:
        yield
    except OSError as error:
        raise DatasetError(
            f"{error.filename or data}: cannot be written ({error.strerror or error}). Make room or correct the permissions "
            "and run the same command again, which continues with the frames that are missing; or choose another --out"
        ) from error
