"""Files of camera poses: KITTI's 12 columns, the same after a frame number (13), and TUM's 8."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import TrajectoryError
from benchmark.geometry import distance_from_so3, motions, nearest_rotations, quaternion_to_matrix
from benchmark.io.files import atomic_write
from benchmark.trajectory import Trajectory

Array = NDArray[np.float64]

FORMS: dict[str, int] = {"kitti": 12, "kitti13": 13, "tum": 8}  # columns of a line
LINES = "12 numbers (KITTI, rows of the 3x4 T_world_cam), 13 (a frame number before them) or 8 (TUM: t x y z qx qy qz qw)"
# Real files are orthonormal to 1e-6. Beyond the first bound their rotations are mended: a factor of 1.0004 on some poses takes
# nine tenths off r_err. Beyond the second the numbers are no rotation at all.
ROUNDED, MAX_OFF_ROTATION = 2e-6, 1e-3
MAX_BYTES = 1 << 28  # a million poses; what is longer is another kind of file
MAX_METRES = 1e9  # from the origin, 25 times around the earth; beyond, float64 loses the steps


class Lines(NamedTuple):
    """The numbers (n, columns) of a text file, and the line (from 1) that each row stands on."""

    values: Array
    number: NDArray[np.int64]


def read_trajectory(path: Path, *, form: str | None = None) -> Trajectory:
    """The trajectory of a text file; its format is recognised by the number of columns.

    Args:
        path: the file. Windows line endings, blanks at the ends of lines and empty lines at the end are accepted.
        form: a key of FORMS that the file must have.

    Raises:
        TrajectoryError: the file is missing, empty, of another format, or holds what is no pose.
    """
    lines = _numbers(path)
    columns = lines.values.shape[1]
    found = next((name for name, width in FORMS.items() if width == columns), None)
    if found is None or form not in {None, found}:
        expected = f"{FORMS[form]} ({form})" if form in FORMS else LINES
        raise TrajectoryError(f"{path}: line {lines.number[0]}: has {columns} columns; expected {expected}")
    _require_plain_numbers(path, lines, found)
    if found == "tum":
        return _tum(path, lines)
    frame = np.arange(len(lines.values)) if found == "kitti" else _frame_numbers(path, lines)
    poses = _motions_of_rows(lines.values[:, -12:])
    _require_rotations(path, lines, poses[:, :3, :3])
    poses, mended = with_rotations(poses, place="line", number=lines.number)
    return Trajectory(poses, frame.astype(np.int64), None, str(path), found, mended)


def with_rotations(poses: Array, *, place: str, number: NDArray[np.int64]) -> tuple[Array, str]:
    """The motions (n, 4, 4) as they are where no rotation is off by more than rounding, else with the nearest ones throughout.

    Args:
        poses: off by MAX_OFF_ROTATION at most.
        place: what of the file each of them is, such as a line.
        number: (n,) which one, for the note.

    Returns:
        The motions, and the note; empty where nothing was changed.
    """
    note = rotation_note(poses, place=place, number=number)
    return (motions(nearest_rotations(poses[:, :3, :3]), poses[:, :3, 3]) if note else poses), note


def rotation_note(poses: Array, *, place: str, number: NDArray[np.int64]) -> str:
    """What is said of motions (n, 4, 4) whose rotations are off by more than rounding; empty where none is."""
    off = distance_from_so3(poses[:, :3, :3])
    worst = int(off.argmax())
    if off[worst] <= ROUNDED:
        return ""
    return (
        f"rotations were off by up to {off[worst]:.2g} (largest entry of |R^T R - I|, {place} {number[worst]}); all were "
        "replaced by the nearest ones. Write them with more digits"
    )


def _require_plain_numbers(path: Path, lines: Lines, form: str) -> None:
    if not np.isfinite(lines.values).all():
        row = int(np.argmin(np.isfinite(lines.values).all(axis=1)))
        raise TrajectoryError(
            f"{path}: line {lines.number[row]}: holds {_first_bad(lines.values[row])}; expected finite numbers. A frame "
            "without a pose is left out, in the format with a frame number before the pose (13 columns)"
        )
    far = np.abs(lines.values[:, 0 if form == "kitti" else 1 :]).max(axis=1) > MAX_METRES
    if far.any():
        raise TrajectoryError(
            f"{path}: line {lines.number[np.argmax(far)]}: holds a number beyond {MAX_METRES:g}; expected rotations, and "
            "positions in metres or up to scale"
        )


def _numbers(path: Path) -> Lines:
    text = _text(path)
    numbered = enumerate(text.rstrip().split("\n"), 1)
    rows = [(number, line.split()) for number, line in numbered if not line.lstrip().startswith("#")]
    if not rows or not any(row for _, row in rows):
        raise TrajectoryError(f"{path}: is empty; expected one line for each pose: {LINES}")
    width = len(rows[0][1])
    for number, row in rows:
        if len(row) != width:
            raise TrajectoryError(
                f"{path}: line {number}: has {len(row)} columns, line {rows[0][0]} has {width}; expected the same number on "
                "every line. The file may be cut short or joined from two: write it again"
            )
    if "_" in text or not text.isascii():  # Python reads 1_0 and the digits of other scripts as numbers
        _require_numbers(path, rows)
    try:
        values = np.array([[float(cell) for cell in row] for _, row in rows])
    except ValueError:
        _require_numbers(path, rows)
        raise
    return Lines(values, np.array([number for number, _ in rows]))


def _require_numbers(path: Path, rows: list[tuple[int, list[str]]]) -> None:
    for number, row in rows:
        for cell in row:
            if not _is_number(cell):
                raise TrajectoryError(f"{path}: line {number}: holds {cell[:40]!r}; expected numbers: {LINES}")


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise TrajectoryError(f"{path}: has more than {MAX_BYTES >> 20} MiB; expected lines of {LINES}")
        return raw.decode("utf-8-sig")
    except OSError as problem:
        reason = problem.strerror or type(problem).__name__
        raise TrajectoryError(f"{path}: cannot be read ({reason}); expected a text file of camera poses") from problem
    except UnicodeDecodeError as problem:
        raise TrajectoryError(f"{path}: is not text (byte {problem.start}); expected lines of {LINES}") from problem


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell and cell.isascii()


def _first_bad(row: Array) -> str:
    return str(row[~np.isfinite(row)][0])


def _motions_of_rows(rows: Array) -> Array:
    matrices = rows.reshape(-1, 3, 4)
    return motions(matrices[:, :, :3], matrices[:, :, 3])


def _require_rotations(path: Path, lines: Lines, R: Array) -> None:
    off = distance_from_so3(R)
    if (off > MAX_OFF_ROTATION).any():
        row = int(np.argmax(off > MAX_OFF_ROTATION))
        what = f"off a rotation by {off[row]:.2g} (largest entry of |R^T R - I|)"
        if np.isinf(off[row]):
            what = "a reflection" if np.linalg.det(R[row]) < 0 else "singular"
        raise TrajectoryError(
            f"{path}: line {lines.number[row]}: its 3x3 part is {what}; expected at most {MAX_OFF_ROTATION:g}. Check that a "
            "line holds the rows of the 3x4 matrix, and that the rotations were not scaled or transposed"
        )


def _frame_numbers(path: Path, lines: Lines) -> Array:
    frame = lines.values[:, 0]
    bad = (frame < 0) | (frame != np.round(frame)) | (frame > 2**53)
    if bad.any():
        row = int(np.argmax(bad))
        raise TrajectoryError(
            f"{path}: line {lines.number[row]}: begins with {frame[row]:g}; expected a frame number (0, 1, 2, ...) before the "
            "12 numbers of a pose"
        )
    _require_ascending(path, lines, frame, "frame")
    return frame


def _require_ascending(path: Path, lines: Lines, key: Array, what: str) -> None:
    step = np.diff(key)
    if (step <= 0).any():
        row = int(np.argmax(step <= 0)) + 1
        fault = "repeats" if key[row] == key[row - 1] else "goes back to"
        raise TrajectoryError(
            f"{path}: line {lines.number[row]}: {fault} {what} {key[row]:.16g} after {key[row - 1]:.16g}; expected each "
            f"{what} once, in ascending order"
        )


def _tum(path: Path, lines: Lines) -> Trajectory:
    time, t, xyzw = lines.values[:, 0], lines.values[:, 1:4], lines.values[:, 4:]
    _require_ascending(path, lines, time, "time")
    off = np.abs(np.linalg.norm(xyzw, axis=1) - 1)
    if (off > MAX_OFF_ROTATION).any():
        row = int(np.argmax(off > MAX_OFF_ROTATION))
        raise TrajectoryError(
            f"{path}: line {lines.number[row]}: its quaternion has the length {np.linalg.norm(xyzw[row]):.6g}; expected 1 to "
            f"within {MAX_OFF_ROTATION:g}, in the order qx qy qz qw"
        )
    poses = motions(quaternion_to_matrix(xyzw[:, [3, 0, 1, 2]]), t)
    return Trajectory(poses, np.arange(len(time), dtype=np.int64), time, str(path), "tum")


def write_kitti(path: Path, trajectory: Trajectory) -> None:
    """Write KITTI's 12 columns, or 13 with the frame number where the frames are not 0, 1, 2, ..."""
    rows = trajectory.poses[:, :3].reshape(-1, 12)
    whole = np.array_equal(trajectory.frame, np.arange(len(rows)))
    heads = [""] * len(rows) if whole else [f"{frame} " for frame in trajectory.frame]
    body = (head + " ".join(repr(float(value)) for value in row) for head, row in zip(heads, rows, strict=True))
    with atomic_write(path) as file:
        file.write("".join(f"{line}\n" for line in body).encode())
