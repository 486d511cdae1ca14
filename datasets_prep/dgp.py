"""DGP scenes: datums, samples, poses, calibrations and point clouds, from their JSON; no protobuf and no `dgp` package.

The files are proto3 messages written as JSON: names in snake_case or camelCase, numbers that are 0 and texts that are empty
may be left out, 64-bit integers come as texts, enums as name or number. Poses are `T_world_sensor` at the sensor's own time
(Hamilton quaternion), so motion between camera and LiDAR is taken into account when both are used. What belongs together is
said by a sample's `datum_keys` alone: names of files, time stamps and the links between datums lead outside a scene.
Annotations are never opened.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmark.errors import DatasetError
from benchmark.geometry import motions, quaternion_to_matrix
from benchmark.io.npy import MAX_SIDE, NpyHeader, open_array, read_header, read_values
from datasets_prep.proto_json import integer, items, message, messages, numbers, read_json, text, texts

Matrix = npt.NDArray[np.float64]

MAX_POINTS = 1 << 23  # a scan has 50,000
MAX_COLUMNS = 64
MAX_ROW_BYTES = 256  # of a structured array
MAX_NAME_BYTES = 255  # of a file, in common file systems
SPLITS = {"train": "0", "val": "1", "test": "2", "train_overfit": "3"}
POINT_FIELDS = ("X", "Y", "Z", "INTENSITY", "R", "G", "B", "RING")  # of the enum, by number; later ones do not matter
KINDS = ("image", "point_cloud", "file_datum", "radar_point_cloud")
PLAIN = re.compile(r"[^/\\\0-\x1f\x7f]{1,200}")


class Pose(NamedTuple):
    """A sensor in the frame of its scene (or of the vehicle): quaternion w x y z and translation in metres, as filed."""

    quaternion: tuple[float, ...]
    translation: tuple[float, ...]

    def matrix(self) -> Matrix:
        """`T_world_sensor` (4, 4) float64, quaternion and translation rounded to float32 first, as the package dgp does."""
        q, t = (np.array(values, np.float32).astype(np.float64) for values in self)
        return np.asarray(motions(quaternion_to_matrix(q), t))


@dataclass(frozen=True)
class Datum:
    """One recording of one sensor. `path` is None for kinds that are not read, `shape` (height, width) for images alone,
    `columns` the names of a point cloud's values."""

    key: str
    sensor: str
    time: str
    kind: str
    path: Path | None
    pose: Pose
    shape: tuple[int, int] | None
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """What was recorded together: datums by sensor, sorted by lower-case name, and the file of their calibration."""

    datums: dict[str, Datum]
    calibration: Path

    def of_kind(self, kind: str) -> tuple[Datum, ...]:
        """The datums that are an `image` or a `point_cloud`, sorted by sensor."""
        return tuple(datum for datum in self.datums.values() if datum.kind == kind)


@dataclass(frozen=True)
class Scene:
    """One recording: the file it was read from and its samples in order of time."""

    path: Path
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class Calibration:
    """Intrinsics fx, fy, cx, cy, skew in pixels, by lower-case sensor name."""

    path: Path
    intrinsics: dict[str, tuple[float, ...]]

    def K(self, sensor: str) -> Matrix:
        """Intrinsics (3, 3) float64 in pixels, rounded to float32 first, as the package dgp does; images are rectified, so the
        coefficients of distortion are not read.

        Raises:
            DatasetError: no such name, or a sensor without a focal length (a LiDAR).
        """
        if sensor.lower() not in self.intrinsics:
            listed = ", ".join(self.intrinsics) or "none"
            raise DatasetError(f"{self.path}: names: no calibration of {sensor!r}; it has {listed}. Fetch the scene again")
        fx, fy, cx, cy, skew = self.intrinsics[sensor.lower()]
        if fx <= 0 or fy <= 0:
            raise DatasetError(f"{self.path}: {sensor}: fx {fx:g}, fy {fy:g}; expected the focal lengths of a camera")
        K = np.array([[fx, skew, cx], [0, fy, cy], [0, 0, 1]], np.float32)
        return K.astype(np.float64)


def read_splits(path: Path) -> dict[str, tuple[Path, ...]]:
    """Scene files by split (`train`, `val`, ...) of a data set's JSON, such as `ddad.json`, in its order."""
    listed = message(read_json(path), "scene_splits", str(path))
    lists: dict[str, tuple[Path, ...]] = {}
    for name, key in SPLITS.items():
        where = f"{path}: scene_splits"
        for given in (k for k in (key, name, name.upper()) if k in listed):  # an enum comes as number or name
            names = texts(message(listed, given, where), "filenames", f"{where}[{given}]")
            files = tuple(inside(path.parent, one, f"{where}[{given}]: filenames") for one in names)
            if lists.setdefault(name, files) != files:
                raise DatasetError(
                    f"{where}: {key} and {given} both list {name}, and differ; expected one list. Fetch it again"
                )
    if not any(lists.values()):
        raise DatasetError(f"{path}: scene_splits: lists no scene; expected train, val or test (0, 1, 2) with filenames")
    return lists


def read_scene(path: Path) -> Scene:
    """A scene with its samples; no other file is opened.

    Raises:
        DatasetError: the file is missing or damaged, a key is missing, a sample names a datum that is not there, two
            datums with one key differ, a path leaves the scene.
    """
    scene = read_json(path)
    datums: dict[str, Datum] = {}
    for i, data in enumerate(messages(scene, "data", str(path))):
        datum = _datum(data, path, f"{path}: data[{i}]")
        known = datums.setdefault(datum.key, datum)
        if (known.sensor.lower(), known.time) != (datum.sensor.lower(), datum.time):
            raise DatasetError(
                f"{path}: data[{i}]: the key {datum.key!r} is that of {datum.sensor} at {datum.time} and of {known.sensor} "
                f"at {known.time}; expected one datum for each key. Fetch the scene again"
            )
    samples = messages(scene, "samples", str(path))
    if not samples:
        raise DatasetError(f"{path}: samples: the scene has none; expected at least one. Fetch the scene again")
    return Scene(path, tuple(_sample(one, datums, path, f"{path}: samples[{i}]") for i, one in enumerate(samples)))


def read_calibration(path: Path) -> Calibration:
    """The calibration of a sample's sensors, by name whatever its case; the lists of the file are parallel. Extrinsics are not
    read, because datums have poses of their own."""
    where = str(path)
    file = read_json(path)
    names = [name.lower() for name in texts(file, "names", where)]
    intrinsics = messages(file, "intrinsics", where)
    if len(names) != len(intrinsics):
        raise DatasetError(
            f"{where}: names and intrinsics hold {len(names)} and {len(intrinsics)} entries; expected one of each for every "
            "sensor. Fetch the scene again"
        )
    if len(set(names)) < len(names):
        twice = max(names, key=names.count)
        raise DatasetError(f"{where}: names: {twice!r} comes twice, expected each sensor once. Fetch the scene again")
    lens = [
        numbers(one, ("fx", "fy", "cx", "cy", "skew"), f"{where}: intrinsics of {n}")
        for n, one in zip(names, intrinsics, strict=True)
    ]
    return Calibration(path, dict(zip(names, lens, strict=True)))


def read_points(datum: Datum) -> Matrix:
    """X, Y, Z (n, 3) float64 in metres of a point cloud in the sensor's frame; nothing is unpickled.

    The array `data` of the npz is (n, k) with the columns that the scene names, or structured with fields X, Y, Z.

    Raises:
        DatasetError: missing or damaged, no `data`, no coordinates, more points than any scan has.
    """
    path = datum.path
    if path is None or path.suffix != ".npz":
        raise DatasetError(f"{path}: {datum.sensor}: expected a point cloud in a file ending in .npz")
    if not path.is_file():
        raise DatasetError(f"{path}: no such file; expected the point cloud of {datum.sensor}. Unpack the scene again")
    with open_array(path, ("data",), DatasetError, any_lone=False) as (stream, size):
        header = read_header(stream, size, str(path), DatasetError)
        _check_points(header, datum)
        values = read_values(stream, header, str(path), DatasetError)
    if values.dtype.names:
        by_name = {name.upper(): name for name in values.dtype.names}
        return np.stack([values[by_name[axis]].astype(np.float64) for axis in "XYZ"], axis=1)
    return values[:, [datum.columns.index(axis) for axis in "XYZ"]].astype(np.float64)


def _check_points(header: NpyHeader, datum: Datum) -> None:
    kind, names = header.dtype, [name.upper() for name in header.dtype.names or ()]
    if names:
        fields = {name.upper(): kind[name].kind for name in kind.names or ()}
        fits = (
            len(header.shape) == 1
            and kind.itemsize <= MAX_ROW_BYTES
            and all(fields.get(axis) in {"f", "i", "u"} for axis in "XYZ")
        )
    else:
        fits = kind.kind == "f" and len(header.shape) == 2 and set("XYZ") <= set(datum.columns)
        fits = fits and max(3, len(datum.columns)) <= header.shape[1] <= MAX_COLUMNS
    if not fits or header.shape[0] > MAX_POINTS:
        raise DatasetError(
            f"{datum.path}: data: {header.shape} {kind} with the columns {', '.join(names or datum.columns)}; expected at most "
            f"{MAX_POINTS} rows and {MAX_COLUMNS} columns of floating-point numbers, with X, Y and Z. Fetch the scene again"
        )


def inside(folder: Path, name: str, where: str) -> Path:
    """The file of that name under `folder`; DatasetError for an empty name, an absolute one, one that leaves it, or one with
    characters or a length that no file has."""
    pure = PurePosixPath(name)
    leaves = not pure.parts or pure.is_absolute() or ".." in pure.parts or "\\" in name or ":" in pure.parts[0]
    if leaves or not name.isprintable() or max(len(part.encode()) for part in pure.parts) > MAX_NAME_BYTES:
        raise DatasetError(
            f"{where}: {name[:120]!r} is no path within {folder}; expected one like rgb/CAMERA_01/15616458249936530.png. "
            "Fetch the scene again"
        )
    return folder / pure


def _datum(data: Mapping[str, Any], path: Path, where: str) -> Datum:
    about = message(data, "id", where)
    key, sensor, time = text(data, "key", where), text(about, "name", where), text(about, "timestamp", where)
    where = f"{where} ({sensor if sensor.isprintable() and sensor else 'no name'})"
    body = message(data, "datum", where)
    found = [kind for kind in KINDS if message(body, kind, where)]
    if len(found) != 1 or not key or not sensor or not sensor.isprintable():
        raise DatasetError(
            f"{where}: key {key!r}, id.name {sensor!r}, datum holds {', '.join(found) or 'nothing'}; expected a key, a name "
            f"and one of {', '.join(KINDS)}. Fetch the scene again"
        )
    kind = found[0]
    content, where = message(body, kind, where), f"{where}: {kind}"
    if kind not in {"image", "point_cloud"}:
        return Datum(key, sensor, time, kind, None, Pose((1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0)), None, ())
    file = inside(path.parent, text(content, "filename", where), f"{where}: filename")
    pose = _pose(message(content, "pose", where), f"{where}: pose")
    shape = _shape(content, where) if kind == "image" else None
    columns = _columns(content, where) if kind == "point_cloud" else ()
    return Datum(key, sensor, time, kind, file, pose, shape, columns)


def _shape(image: Mapping[str, Any], where: str) -> tuple[int, int]:
    height, width = integer(image, "height", where), integer(image, "width", where)
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise DatasetError(f"{where}: height {height}, width {width}; expected 1 to {MAX_SIDE} pixels. Fetch the scene again")
    return height, width


def _columns(cloud: Mapping[str, Any], where: str) -> tuple[str, ...]:
    listed = items(cloud, "point_format", where)
    names = [
        POINT_FIELDS[x] if isinstance(x, int) and 0 <= x < len(POINT_FIELDS) else ascii(str(x).upper())[1:-1] for x in listed
    ]
    return tuple(names) or POINT_FIELDS[:3]  # a structured array names its own


def _pose(pose: Mapping[str, Any], where: str) -> Pose:
    quaternion = numbers(message(pose, "rotation", where), ("qw", "qx", "qy", "qz"), f"{where}: rotation")
    translation = numbers(message(pose, "translation", where), ("x", "y", "z"), f"{where}: translation")
    if not abs(sum(value * value for value in quaternion) - 1) < 1e-3:
        raise DatasetError(
            f"{where}: rotation: the quaternion {quaternion} has not the length 1; the pose is missing or damaged: fetch the "
            "scene again"
        )
    return Pose(quaternion, translation)


def _sample(sample: Mapping[str, Any], datums: Mapping[str, Datum], path: Path, where: str) -> Sample:
    by_sensor: dict[str, Datum] = {}
    if not items(sample, "datum_keys", where):
        raise DatasetError(f"{where}: datum_keys: the sample has none, expected its images and its scan. Fetch the scene again")
    for key in dict.fromkeys(texts(sample, "datum_keys", where)):
        if key not in datums:
            raise DatasetError(f"{where}: datum_keys: {key!r} is the key of no datum in `data`; fetch the scene again")
        datum = datums[key]
        if by_sensor.setdefault(datum.sensor.lower(), datum) is not datum:
            other = by_sensor[datum.sensor.lower()]
            raise DatasetError(f"{where}: {other.key!r} and {key!r} are both of {datum.sensor}; expected one of each sensor")
    calibration = text(sample, "calibration_key", where)
    if not PLAIN.fullmatch(calibration) or calibration in {".", ".."}:
        raise DatasetError(f"{where}: calibration_key: {calibration[:120]!r} is no name of a file; fetch the scene again")
    ordered = {datum.sensor: datum for _, datum in sorted(by_sensor.items())}
    return Sample(ordered, path.parent / "calibration" / f"{calibration}.json")
