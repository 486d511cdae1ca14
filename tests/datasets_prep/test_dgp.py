"""The JSON of DGP scenes, their calibrations and point clouds, on a miniature scene; the real one is in test_ddad."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dgp_scene
import numpy as np
import pytest
from dgp_scene import CALIBRATION, CAMERAS, SHAPE, write_json, write_scan

from benchmark.errors import DatasetError
from datasets_prep import dgp


def position(scene: dict[str, Any], key: str) -> int:
    return next(i for i, data in enumerate(scene["data"]) if data["key"] == key)


def read(tmp_path: Path, scene: dict[str, Any]) -> dgp.Scene:
    return dgp.read_scene(write_json(tmp_path / "s" / "scene_0.json", scene))


def summary(scene: dgp.Scene) -> list[Any]:
    return [(sample.calibration, tuple(sample.datums.items())) for sample in scene.samples]


def test_samples_pair_by_key_and_sensors_are_sorted(tmp_path: Path) -> None:
    scene = read(tmp_path, dgp_scene.scene())
    assert len(scene.samples) == 3
    for i, sample in enumerate(scene.samples):
        assert list(sample.datums) == ["CAMERA_01", "CAMERA_05", "LIDAR"]
        assert [datum.key for datum in sample.datums.values()] == [f"CAMERA_01-{i}", f"CAMERA_05-{i}", f"LIDAR-{i}"]
        assert [datum.shape for datum in sample.of_kind("image")] == [SHAPE, SHAPE]
        assert [datum.columns for datum in sample.of_kind("point_cloud")] == [("X", "Y", "Z", "INTENSITY")]
        assert sample.calibration == tmp_path / "s" / "calibration" / f"{CALIBRATION}.json"
    first = scene.samples[0].datums["CAMERA_01"]
    assert first.path == tmp_path / "s" / "rgb" / "CAMERA_01" / f"{dgp_scene.STEM}.png"


def camel(value: Any) -> Any:
    if isinstance(value, dict):
        return {re.sub(r"_([a-z])", lambda m: m[1].upper(), key): camel(one) for key, one in value.items()}
    return [camel(one) for one in value] if isinstance(value, list) else value


def sparse(value: Any) -> Any:
    """Without the numbers that are 0 and the texts that are empty; whole numbers as texts."""
    if isinstance(value, dict):
        return {key: sparse(one) for key, one in value.items() if one not in (0, "", None)}
    if isinstance(value, list):
        return [sparse(one) for one in value]
    return str(value) if type(value) is int else value


def by_number(scene: dict[str, Any]) -> dict[str, Any]:
    for data in scene["data"]:
        if "point_cloud" in data["datum"]:
            data["datum"]["point_cloud"]["point_format"] = [0, 1, 2, 3]
    return scene


@pytest.mark.parametrize("spell", [camel, sparse, by_number, lambda scene: camel(sparse(scene))])
def test_every_spelling_of_proto3_json_is_the_same_scene(tmp_path: Path, spell: Any) -> None:
    plain = summary(read(tmp_path, dgp_scene.scene()))
    assert summary(read(tmp_path, spell(copy.deepcopy(dgp_scene.scene())))) == plain
    path = write_json(tmp_path / "c.json", dgp_scene.calibration())
    expected = dgp.read_calibration(path)
    spelled = spell(dgp_scene.calibration()) if spell is not by_number else dgp_scene.calibration()
    assert dgp.read_calibration(write_json(path, spelled)) == expected


def test_a_pose_rounds_to_float32_first_and_the_sign_of_a_quaternion_does_not_matter() -> None:
    q, t = (-0.701507293064849, -0.005770785693231001, 0.015431988162520002, 0.712471802635488), (111.45486229951824, 2.0, 0.0)
    T = dgp.Pose(q, t).matrix()
    assert T[0, 3] == float(np.float32(t[0])) != t[0]
    w, x, y, z = np.array(q, np.float32).astype(float) / np.linalg.norm(np.array(q, np.float32).astype(float))
    assert T[0, 0] == pytest.approx(w * w + x * x - y * y - z * z, abs=1e-15)
    assert T[1, 0] == pytest.approx(2 * (x * y + w * z), abs=1e-15)
    np.testing.assert_array_equal(T, dgp.Pose(tuple(-value for value in q), t).matrix())


def test_calibration_is_found_by_name(tmp_path: Path) -> None:
    calibration = dgp.read_calibration(write_json(tmp_path / "c.json", dgp_scene.calibration()))
    K = calibration.K("CAMERA_05")
    assert K.tolist() == [[np.float32(30.123456789), 0, np.float32(19.7)], [0, np.float32(30.2), np.float32(11.9)], [0, 0, 1]]
    assert calibration.K("Camera_01").tolist() == K.tolist()
    with pytest.raises(
        DatasetError, match=r"c\.json: names: no calibration of 'CAMERA_09'; it has camera_05, camera_01, lidar"
    ):
        calibration.K("CAMERA_09")
    with pytest.raises(DatasetError, match=r"LIDAR: fx 0, fy 0; expected the focal lengths of a camera"):
        calibration.K("LIDAR")


def test_a_repeated_datum_is_one_when_sensor_and_time_agree(tmp_path: Path) -> None:
    scene = dgp_scene.scene()
    scene["data"].append(copy.deepcopy(scene["data"][0]))
    assert len(read(tmp_path, scene).samples[2].datums) == 3
    scene["data"][-1]["id"]["timestamp"] = "1970-01-01T00:00:00Z"
    with pytest.raises(
        DatasetError, match=r"data\[9\]: the key 'CAMERA_05-2' is that of CAMERA_05 at 1970.* and of CAMERA_05 at 24"
    ):
        read(tmp_path, scene)


def test_annotations_and_other_kinds_are_left_alone(tmp_path: Path) -> None:
    scene = dgp_scene.scene()
    scene["data"][0]["datum"]["image"]["annotations"] = {"0": "/etc/passwd"}
    scene["data"].append({"key": "r", "id": {"name": "RADAR"}, "datum": {"radar_point_cloud": {"filename": "/x"}}})
    scene["samples"][0]["datum_keys"].append("r")
    assert read(tmp_path, scene).samples[0].datums["RADAR"].path is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "../other/x.npz",
        "rgb/../../x.npz",
        "rgb\\x.npz",
        "C:/x.npz",
        "a\0b",
        ".",
        "a\x1b[31m.npz",
        "a/" + "é" * 128,
    ],
)
def test_no_path_leaves_the_scene(tmp_path: Path, name: str) -> None:
    scene = dgp_scene.scene()
    scene["data"][position(scene, "LIDAR-1")]["datum"]["point_cloud"]["filename"] = name
    with pytest.raises(DatasetError, match=r"data\[\d\] \(LIDAR\): point_cloud: filename: .* is no path within") as caught:
        read(tmp_path, scene)
    assert "\n" not in str(caught.value)


def changes() -> dict[str, tuple[Any, str]]:
    """What to put where in a scene, and what the error names."""
    return {
        "samples": ([], "samples: the scene has none"),
        "samples.0.datum_keys.0": ("gone", r"samples\[0\]: datum_keys: 'gone' is the key of no datum"),
        "samples.0.datum_keys": (["LIDAR-0", "LIDAR-1"], "'LIDAR-0' and 'LIDAR-1' are both of LIDAR"),
        "samples.1.datum_keys": ("LIDAR-0", r"samples\[1\]: datum_keys: 'LIDAR-0', expected a list"),
        "samples.0.calibration_key": ("../c", r"calibration_key: '\.\./c' is no name"),
        "samples.1.calibration_key": ("c\x1b[2J", r"calibration_key: 'c\\x1b\[2J' is no name"),
        "data.0.id.name": ("a\nb", r"data\[0\] \(no name\): key 'CAMERA_05-2', id\.name 'a\\nb'"),
        "samples.2": (7, r"samples\[2\]: samples: 7, expected an object"),
        "data.0.datum.image.pose": ({}, r"data\[0\] \(CAMERA_05\): image: pose: rotation: the quaternion"),
        "data.0.datum.image.pose.rotation.qw": ("x", r"rotation: qw: 'x' is no number in range"),
        "data.0.datum.image.pose.translation.y": (float("nan"), "translation: y: nan is no number in range"),
        "data.0.datum.image.height": (0, "height 0, width 40; expected 1 to 16384"),
        "data.0.datum.image.width": (1.5, r"width: 1\.5 is no whole number"),
        "data.0.datum": ({}, "datum holds nothing"),
        "data.0.key": ("", "key ''"),
        "data.0.id": ([], r"data\[0\]: id: \[\], expected an object"),
    }


def put(scene: Any, where: str, value: Any) -> None:
    *steps, last = (int(step) if step.isdigit() else step for step in where.split("."))
    for step in steps:
        scene = scene[step]
    scene[last] = value


@pytest.mark.parametrize("where", changes())
def test_damaged_scenes_name_file_and_key(tmp_path: Path, where: str) -> None:
    scene, (value, message) = dgp_scene.scene(), changes()[where]
    put(scene, where, value)
    with pytest.raises(DatasetError, match=r"scene_0\.json: .*" + message) as caught:
        read(tmp_path, scene)
    assert "\n" not in str(caught.value)


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    if path:
        yield ".".join(path)
    for key, one in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from leaves(one, (*path, str(key)))


@pytest.mark.parametrize("junk", [None, True, -1, 1e300, "x", [], [None], {}, {"a": []}])
def test_junk_anywhere_is_read_or_refused_but_never_a_traceback(tmp_path: Path, junk: Any) -> None:
    refused = 0
    for where in leaves(dgp_scene.scene(CAMERAS[:1], 1)):
        scene = dgp_scene.scene(CAMERAS[:1], 1)
        put(scene, where, junk)
        try:
            read(tmp_path, scene)
        except DatasetError:
            refused += 1
    assert refused > 10
    for where in leaves(dgp_scene.calibration()):
        calibration = dgp_scene.calibration()
        put(calibration, where, junk)
        try:
            dgp.read_calibration(write_json(tmp_path / "c.json", calibration)).K("CAMERA_01")
        except DatasetError:
            refused += 1


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000, b'{"samples": "' + b"x" * 100])
def test_what_is_no_json(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "scene_0.json"
    path.write_bytes(content)
    for reader in (dgp.read_scene, dgp.read_calibration, dgp.read_splits):
        with pytest.raises(DatasetError, match=r"scene_0\.json: (cannot be read as JSON|holds list)"):
            reader(path)
    with pytest.raises(DatasetError, match=r"none\.json: no such file"):
        dgp.read_scene(tmp_path / "none.json")


def test_what_the_system_refuses_is_not_called_damaged(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"cannot be read \(Is a directory\); correct its permissions"):
        dgp.read_scene(tmp_path)


def test_damaged_calibrations(tmp_path: Path) -> None:
    for where, value, message in (
        ("names", ["a"], ".* hold 1 and 3 entries"),
        ("names.0", "LIDAR", "names: 'lidar' comes twice"),
        ("intrinsics.0.fx", "wide", "intrinsics of camera_05: fx: 'wide' is no number in range"),
    ):
        calibration = dgp_scene.calibration()
        put(calibration, where, value)
        with pytest.raises(DatasetError, match=rf"c\.json: {message}"):
            dgp.read_calibration(write_json(tmp_path / "c.json", calibration))
    without = {key: value for key, value in dgp_scene.calibration().items() if key != "extrinsics"}
    assert dgp.read_calibration(write_json(tmp_path / "c.json", without)).K("CAMERA_01")[0, 2] == pytest.approx(19.7)


def test_split_lists(tmp_path: Path) -> None:
    def read_lists(splits: Any) -> dict[str, tuple[Path, ...]]:
        return dgp.read_splits(write_json(tmp_path / "ddad.json", {"sceneSplits": splits}))

    lists = read_lists({"1": {"filenames": ["b/s.json", "a/s.json"]}, "TRAIN": {"filenames": ["c/s.json"]}})
    assert lists == {"train": (tmp_path / "c/s.json",), "val": (tmp_path / "b/s.json", tmp_path / "a/s.json")}
    for splits, message in (
        ({}, "scene_splits: lists no scene"),
        ({"1": {"filenames": ["../s.json"]}}, r"scene_splits\[1\]: filenames: '\.\./s\.json' is no path within"),
        ({"1": {"filenames": ["a/s.json"]}, "val": {"filenames": ["b/s.json"]}}, "scene_splits: 1 and val both list val"),
        ({"1": ["a/s.json"]}, r"scene_splits: 1: \['a/s\.json'\], expected an object"),
    ):
        with pytest.raises(DatasetError, match=rf"ddad\.json: {message}"):
            read_lists(splits)


def scan(path: Path, columns: tuple[str, ...] = ("X", "Y", "Z", "INTENSITY")) -> dgp.Datum:
    return dgp.Datum("k", "LIDAR", "", "point_cloud", path, dgp.Pose((1.0, 0, 0, 0), (0.0, 0, 0)), None, columns)


def test_point_clouds_plain_structured_and_permuted(tmp_path: Path) -> None:
    expected, path = dgp_scene.points(0)[:, :3], tmp_path / "a.npz"
    write_scan(path, data=dgp_scene.points(0))
    assert np.array_equal(dgp.read_points(scan(path)), expected)
    write_scan(path, data=dgp_scene.points(0)[:, [3, 2, 1, 0]].astype(np.float32))
    assert np.array_equal(dgp.read_points(scan(path, ("INTENSITY", "Z", "Y", "X"))), expected.astype(np.float32))
    fields = np.empty(len(expected), [("INTENSITY", "u1"), ("x", "f4"), ("Y", "f8"), ("Z", "f8")])
    fields["INTENSITY"], fields["x"], fields["Y"], fields["Z"] = 7, *expected.T
    write_scan(path, data=fields)
    assert np.array_equal(dgp.read_points(scan(path)), np.column_stack([expected[:, 0].astype("f4"), expected[:, 1:]]))
    write_scan(path, data=np.empty((0, 4)))
    assert dgp.read_points(scan(path)).shape == (0, 3)


def test_damaged_point_clouds(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with pytest.raises(DatasetError, match=r"a\.npz: no such file; expected the point cloud of LIDAR"):
        dgp.read_points(scan(path))
    cases: list[tuple[dict[str, Any], str]] = [
        ({"points": np.ones((5, 4))}, "holds points; expected exactly one called data"),
        ({"data": np.ones((5, 2))}, r"data: \(5, 2\) float64"),
        ({"data": np.ones((5, 65))}, r"data: \(5, 65\) float64 .* at most 8388608 rows and 64 columns"),
        ({"data": np.ones(5, [("X", "f4"), ("Y", "f4"), ("Z", "f4"), ("N", "S245")])}, "with the columns X, Y, Z, N; expected"),
        ({"data": np.ones(5)}, r"data: \(5,\) float64"),
        ({"data": np.array([None, "x"], object)}, r"data: \(2,\) object"),
        ({"data": np.ones((5, 4), complex)}, "complex128"),
        ({"data": np.ones(5, [("X", "f4"), ("Y", "f4")])}, "with the columns X, Y; expected"),
        ({"data": np.ones(5, [("X", "f4"), ("Y", "f4"), ("Z", "S4")])}, "with the columns X, Y, Z; expected"),
    ]
    for arrays, message in cases:
        write_scan(path, **arrays)
        with pytest.raises(DatasetError, match=rf"a\.npz: .*{message}"):
            dgp.read_points(scan(path))
    write_scan(path, data=dgp_scene.points(0))
    with pytest.raises(DatasetError, match="with the columns X, Y, RING"):
        dgp.read_points(scan(path, ("X", "Y", "RING")))
    whole = path.read_bytes()
    for cut in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(DatasetError, match=r"a\.npz: cannot be read as \.npz"):
            dgp.read_points(scan(path))
    with pytest.raises(DatasetError, match="expected a point cloud in a file ending in"):
        dgp.read_points(scan(tmp_path / "a.ply"))
