"""Names of a frame, and the text forms in which the field writes lists of frames.

Read: Monodepth2 lines (`date/drive frame side`, `9 0 l`, `image 0`), the formatted folders of SfMLearner
(`drive_02 frame`), image paths (SfMLearner, Insta-DM, PackNet; of several paths on a line, as in Monodepth's left and
right pairs, the first counts), frame ids, our CSVs. A list is in one form and about one data set; anything else is a
SplitError that names the line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from benchmark.errors import SplitError

if TYPE_CHECKING:
    from benchmark.splits import Split

MAX_FRAMES = 5_000_000  # of one list; a range such as 0-999999999999 must not take all memory
MAX_LINE = 4096  # characters of a line that names one frame
DIGITS = {"kitti_raw": 10, "kitti_depth": 10, "kitti_odometry": 6, "ddad": 1}  # width of the number in a frame id
SIDES = {"l": 2, "r": 3, "2": 2, "3": 3}  # Monodepth2's letters, and the digits that its loader takes as well
LETTERS = {"2": "l", "3": "r"}  # last character of the KITTI camera -> side
PADDED = frozenset({"kitti_eigen/test"})  # the one list of Monodepth2 with ten-digit numbers
PAIR_LISTS = frozenset({"kitti_odom_09/test", "kitti_odom_10/test"})  # the field lists frame pairs: poses - 1
HEADERS = ("drive,camera,frame", "drive,camera,frames", "sequence,camera,frame", "sequence,camera,frames")

_RAW_DRIVE = r"[0-9]{4}_[0-9]{2}_[0-9]{2}_drive_[0-9]{4}_(?:sync|extract)"
_NUMBER = r"[0-9]{1,18}"
_CAMERA = r"image_0[0-3]|image_[0-3]|CAMERA_[0-9]{2}"
_DRIVE = r"(?!\.{1,2}/)[A-Za-z0-9_.-]+"  # any folder name but . and ..
_ID = re.compile(rf"({_DRIVE})/({_CAMERA})/({_NUMBER})")
_LINE = re.compile(
    rf"(?:([0-9]{{4}}_[0-9]{{2}}_[0-9]{{2}})/({_RAW_DRIVE})|([0-9]{{1,2}})|(image))\s+({_NUMBER})(?:\s+([lr23]))?"
)
_FORMATTED = re.compile(rf"({_RAW_DRIVE})_(0[0-3])\s+({_NUMBER})")
_PATH = re.compile(
    rf"(?:\S*?/)??({_DRIVE})/(?:proj_depth/(?:groundtruth|velodyne_raw|velodyne)/|rgb/)?"
    rf"({_CAMERA})/(?:data/)?({_NUMBER})\.(?i:png|jpg|jpeg|npz|npy)(?:\s.*)?"
)
_DATASET = re.compile(
    rf"(?P<kitti_raw>{_RAW_DRIVE}/image_0[0-3])|(?P<kitti_odometry>[0-9]{{2}}/image_[0-3])"
    rf"|(?P<kitti_depth>image/image_0[23])|(?P<ddad>{_DRIVE}/CAMERA_[0-9]{{2}})"
)


class Frame(NamedTuple):
    """One image: drive (sequence, scene), camera and number, as ("2011_09_26_drive_0002_sync", "image_02", 69)."""

    drive: str
    camera: str
    number: int


class ParsedList(NamedTuple):
    """What a list file held: its frames in file order, their data set, and the form of its lines."""

    frames: tuple[Frame, ...]
    dataset: str
    form: str


def frame_id(frame: Frame, dataset: str) -> str:
    """The frame's name wherever it is joined on: drive/camera/number (ten digits in KITTI raw, six in odometry)."""
    if dataset not in DIGITS:
        raise SplitError(f"unknown data set {dataset!r} for frame {tuple(frame)}; known: {', '.join(DIGITS)}")
    return f"{frame.drive}/{frame.camera}/{frame.number:0{DIGITS[dataset]}d}"


def parse_frame_id(text: str) -> Frame:
    """The frame that an id names; leading zeros are free, a path that leaves its root or has other parts is refused."""
    match = _ID.fullmatch(text)
    if match is None:
        raise SplitError(
            f"{text!r} is not a frame id; expected drive/camera/number, such as "
            "2011_09_26_drive_0002_sync/image_02/0000000069, 09/image_2/000123 or 000150/CAMERA_01/15616458249936530"
        )
    return Frame(match[1], match[2], int(match[3]))


def dataset_of(frame: Frame) -> str | None:
    """The data set whose naming a frame follows; None when it follows none."""
    match = _DATASET.fullmatch(f"{frame.drive}/{frame.camera}")
    return match.lastgroup if match else None


def parse_list(text: str, origin: str) -> ParsedList:
    """Read a list in any of the field's forms; its first line decides which. `origin` is its name in errors."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    numbered = [(number, line.strip()) for number, line in enumerate(lines, start=1) if line and not line.isspace()]
    if not numbered:
        raise SplitError(f"{origin}: the list is empty; expected one frame a line")
    if numbered[0][1].replace(" ", "") in HEADERS:
        form = "csv"
        frames, line_of = _parse_csv(numbered, origin)
    else:
        form, frames, line_of = _parse_lines(numbered, origin)
    _refuse_repeats(frames, line_of, origin)
    return ParsedList(tuple(frames), _one_dataset(frames, line_of, origin), form)


def parse_ranges(text: str) -> list[int]:
    """The numbers of "1-15 17 19-20", in that order; ValueError for anything else."""
    numbers: list[int] = []
    for token in text.split():
        first, dash, last = token.partition("-")
        if not (first.isascii() and first.isdigit() and (not dash or (last.isascii() and last.isdigit()))):
            raise ValueError(f"{token!r} is neither a frame number nor a range such as 5-102")
        start, stop = int(first), int(last or first)
        if stop < start:
            raise ValueError(f"the range {token!r} runs backwards")
        if len(numbers) + stop - start >= MAX_FRAMES or stop >= 10**18:
            raise ValueError(f"the range {token!r} is too long; a list may hold {MAX_FRAMES} frames, numbered with 18 digits")
        numbers.extend(range(start, stop + 1))
    return numbers


def format_ranges(numbers: Iterable[int]) -> str:
    """Sorted distinct numbers as "1-15 17 19-20"; two neighbours are already a range."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return " ".join(f"{first}-{last}" if last > first else f"{first}" for first, last in runs)


def export_text(split: Split, form: str) -> str:
    """The split as text in one of EXPORTS, in the order of its frames, each line ended by one newline."""
    if form not in EXPORTS:
        raise SplitError(f"{split.name}: unknown format {form!r}; known: {', '.join(EXPORTS)}")
    return "".join(f"{line}\n" for line in EXPORTS[form](split))


def _monodepth2_lines(split: Split) -> list[str]:
    width = 10 if split.name in PADDED else 1
    frames = split.frames[:-1] if split.name in PAIR_LISTS else split.frames
    return [_monodepth2_line(frame, split, width) for frame in frames]


def _monodepth2_line(frame: Frame, split: Split, width: int) -> str:
    letter = LETTERS.get(frame.camera[-1])
    if letter is None or split.dataset == "ddad":
        raise SplitError(
            f"{split.name}: Monodepth2's form has no words for frame {'/'.join(map(str, frame))}; it knows KITTI's "
            "colour cameras only. Use --format frame_ids or csv."
        )
    if split.dataset == "kitti_odometry":
        return f"{int(frame.drive)} {frame.number} {letter}"
    if split.dataset == "kitti_depth":
        return f"{frame.drive} {frame.number}"
    return f"{frame.drive[:10]}/{frame.drive} {frame.number:0{width}d} {letter}"


def _csv_lines(split: Split) -> list[str]:
    if split.ordered:
        return [HEADERS[0], *(f"{drive},{camera},{number}" for drive, camera, number in split.frames)]
    numbers: dict[tuple[str, str], list[int]] = {}
    for drive, camera, number in split.frames:
        numbers.setdefault((drive, camera), []).append(number)
    return [HEADERS[1], *(f"{drive},{camera},{format_ranges(of)}" for (drive, camera), of in sorted(numbers.items()))]


def _read_monodepth2(line: str) -> Frame | None:
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    date, drive, sequence, anonymous, number, letter = match.groups()
    camera = SIDES[letter or "l"]
    if sequence:
        return Frame(f"{int(sequence):02d}", f"image_{camera}", int(number))
    if drive and not drive.startswith(date):
        return None
    return Frame(drive or anonymous, f"image_0{camera}", int(number))


def _read_formatted(line: str) -> Frame | None:
    match = _FORMATTED.fullmatch(line)
    return Frame(match[1], f"image_{match[2]}", int(match[3])) if match else None


def _read_path(line: str) -> Frame | None:
    match = _PATH.fullmatch(line.replace("\\", "/"))
    return Frame(match[1], match[2], int(match[3])) if match else None


def _read_id(line: str) -> Frame | None:
    match = _ID.fullmatch(line)
    return Frame(match[1], match[2], int(match[3])) if match else None


def _parse_lines(numbered: list[tuple[int, str]], origin: str) -> tuple[str, list[Frame], list[int]]:
    number, first = numbered[0]
    form = next((name for name, read in FORMS.items() if len(first) <= MAX_LINE and read(first) is not None), None)
    if form is None:
        raise SplitError(
            f"{origin}, line {number}: cannot read {first[:120]!r}. Expected one of the field's forms: "
            "`2011_09_26/2011_09_26_drive_0002_sync 0000000069 l`, `9 0 l`, `image 0`, an image path, a frame id, "
            f"or a CSV that begins with `{HEADERS[0]}` or `{HEADERS[1]}`."
        )
    read, frames = FORMS[form], list[Frame]()
    for number, line in numbered:
        frame = read(line) if len(line) <= MAX_LINE else None
        if frame is None:
            raise SplitError(
                f"{origin}, line {number}: cannot read {line[:120]!r} as {form}, "
                f"the form of the list's first line ({first[:120]!r})"
            )
        frames.append(frame)
    return form, frames, [number for number, _ in numbered]


def _parse_csv(numbered: list[tuple[int, str]], origin: str) -> tuple[list[Frame], list[int]]:
    frames, line_of = list[Frame](), list[int]()
    ranges = numbered[0][1].endswith("s")
    for line_number, line in numbered[1:]:
        try:
            drive, camera, text = (cell.strip() for cell in line.split(","))
            numbers = parse_ranges(text)
            if not numbers or (not ranges and not text.isdigit()):
                raise ValueError(f"expected {'frame ranges' if ranges else 'one frame number'}, got {text[:80]!r}")
            if len(frames) + len(numbers) > MAX_FRAMES:
                raise ValueError(f"the list is longer than {MAX_FRAMES} frames")
        except ValueError as error:
            raise SplitError(
                f"{origin}, line {line_number}: cannot read {line[:120]!r} under the header {numbered[0][1]!r}: {error}"
            ) from error
        frames.extend(Frame(drive, camera, number) for number in numbers)
        line_of.extend([line_number] * len(numbers))
    if not frames:
        raise SplitError(f"{origin}: the list has a header and no frames")
    return frames, line_of


def _refuse_repeats(frames: list[Frame], line_of: list[int], origin: str) -> None:
    if len(set(frames)) == len(frames):
        return
    seen: dict[Frame, int] = {}
    for frame, line in zip(frames, line_of, strict=True):
        if frame in seen:
            raise SplitError(
                f"{origin}, line {line}: frame {'/'.join(map(str, frame))} is already on line {seen[frame]}; "
                "a list names each frame once, so remove one of the two"
            )
        seen[frame] = line


def _one_dataset(frames: list[Frame], line_of: list[int], origin: str) -> str:
    cameras = dict.fromkeys((frame.drive, frame.camera) for frame in frames)
    kinds = {pair: dataset_of(Frame(*pair, 0)) for pair in cameras}
    dataset = kinds[frames[0][:2]]
    if dataset is not None and set(kinds.values()) == {dataset}:
        return dataset
    at = next(i for i, frame in enumerate(frames) if kinds[frame[:2]] is None or kinds[frame[:2]] != dataset)
    kind = kinds[frames[at][:2]]
    where = f"{origin}, line {line_of[at]}: frame {'/'.join(map(str, frames[at]))}"
    if kind is None:
        raise SplitError(f"{where} follows the naming of no known data set ({', '.join(DIGITS)})")
    raise SplitError(f"{where} is of {kind}, but the list began with {dataset}; a list is about one data set")


FORMS: dict[str, Callable[[str], Frame | None]] = {
    "monodepth2": _read_monodepth2,
    "image paths": _read_path,
    "frame ids": _read_id,
    "formatted folders": _read_formatted,
}
EXPORTS: dict[str, Callable[[Split], list[str]]] = {
    "monodepth2": _monodepth2_lines,
    "frame_ids": lambda split: list(split.frame_ids),
    "csv": _csv_lines,
}
