"""Frames, depth maps and exported ground truth of DDAD: a miniature data set, and the real scene against TRI's dgp."""

import hashlib
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import dgp_scene
import numpy as np
import pytest
from click.testing import CliRunner
from command import Run
from dgp_scene import CALIBRATION, CAMERAS, SHAPE, STEM, write_dataset, write_image, write_json, write_scan

import benchmark
from benchmark.cli import main
from benchmark.errors import DatasetError, InputError, OptionError
from benchmark.io.ground_truth_hdf5 import read_hdf5
from benchmark.splits import Frame, read_index, split_sha256
from datasets_prep import ddad, ddad_splits, dgp
from datasets_prep.export_gt import export_gt

PROTOCOLS = Path(benchmark.__file__).parent / "protocols"
FIRST = Frame("000150", "CAMERA_01", STEM)
SHORT = (
    "2 of 50 scenes and 4 of 3950 samples are here: this is not the whole published split, and no protocol scores it as that"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "ddad")


def scene_path(root: Path, scene: str = "000150") -> Path:
    return next((root / scene).glob("scene_*.json"))


def edit(path: Path, **changes: Any) -> None:
    """Replace values of a JSON by path, `data__0__key=...`."""
    value = json.loads(path.read_text())
    for where, new in changes.items():
        *steps, last = (int(step) if step.isdigit() else step for step in where.split("__"))
        inner = value
        for step in steps:
            inner = inner[step]
        inner[last] = new
    write_json(path, value)


def export(root: Path, out: Path, **options: Any) -> Any:
    return export_gt("ddad", root, options.pop("split", None), out, quiet=True, **options)


def restated(points: np.ndarray, T: np.ndarray, K: np.ndarray, rule: str) -> np.ndarray:
    """The depth map by a loop over the points, as the facts describe both rules."""
    depth = np.zeros(SHAPE, np.float32)
    for x, y, z in points[:, :3] @ T[:3, :3].T + T[:3, 3]:
        if not z > 0:
            continue
        u, v = K[0, 0] * x / z + K[0, 2], K[1, 1] * y / z + K[1, 2]
        col, row = (int(u), int(v)) if rule == "last_point" else (int(np.floor(u)), int(np.floor(v)))
        if 0 <= col < SHAPE[1] and 0 <= row < SHAPE[0] and (rule == "last_point" or not 0 < depth[row, col] <= np.float32(z)):
            depth[row, col] = z
    return depth


def dense(pixels: np.ndarray, depth: np.ndarray, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    out = np.zeros(shape, np.float32)
    out.ravel()[pixels] = depth
    return out


@pytest.mark.parametrize("rule", ddad.DEPTH_RULES)
@pytest.mark.parametrize("camera", CAMERAS)
def test_depth_maps_equal_a_plain_loop(root: Path, rule: str, camera: str) -> None:
    one = ddad.recordings(scene_path(root))[FIRST._replace(camera=camera)]
    T, K = one.T_camera_lidar(), one.K()
    pixels, depth = ddad.project_points(dgp.read_points(one.scan), T, K, shape=SHAPE, rule=rule)
    assert len(pixels) > 300
    assert (np.diff(pixels) > 0).all()
    assert np.array_equal(dense(pixels, depth), restated(dgp_scene.points(0), T, K, rule))


def test_motion_between_the_stamps_is_in_the_poses(root: Path) -> None:
    T = ddad.recordings(scene_path(root))[FIRST].T_camera_lidar()
    # The LiDAR is 5 cm further along x than the camera's pose, and 1.5 m below it; float32 rounds kilometres to 0.1 mm.
    np.testing.assert_allclose(T, [[0, -1, 0, 0], [0, 0, -1, 1.5], [1, 0, 0, 0.05], [0, 0, 0, 1]], atol=2.5e-4)


def test_the_rules_differ_in_truncation_and_in_the_point_that_stays() -> None:
    K, far = np.array([[10.0, 0, 2], [0, 10, 1], [0, 0, 1]]), 8.0
    points = np.array(
        [[0.0, 0, 4], [0, 0, far], [-0.205, 0, 1], [0, 0, -3], [-0.3, 0, 1], [np.nan, 0, 1], [0, np.inf, 1], [0, 0, 0]]
    )
    last = dense(*ddad.project_points(points, np.eye(4), K, shape=SHAPE))
    near = dense(*ddad.project_points(points, np.eye(4), K, shape=SHAPE, rule="nearest_point"))
    assert (last[1, 2], near[1, 2]) == (far, 4)
    assert (last[1, 0], near[1, 0]) == (1, 0)  # u is -0.05: truncated into column 0, or outside
    assert (np.count_nonzero(last), np.count_nonzero(near)) == (2, 1)
    with pytest.raises(DatasetError, match="unknown depth rule 'first'; known: last_point, nearest_point"):
        ddad.project_points(points, np.eye(4), K, shape=SHAPE, rule="first")


def test_frames_and_splits(root: Path) -> None:
    split = ddad_splits.find_split(root, "ddad/val", None)
    assert len(split.frames) == 7
    assert split.frame_ids[0] == f"000150/CAMERA_01/{STEM}"
    assert [frame.camera for frame in split.frames[:3]] == ["CAMERA_01", "CAMERA_05", "CAMERA_01"]
    assert split.drives == ("000150", "000151")
    assert (split.name, split.dataset, split.role) == ("ddad/val", "ddad", "val")
    assert ddad_splits.find_split(root, "ddad/train", None).drives == ("000000",)
    one = ddad_splits.find_split(root, "ddad/val", "CAMERA_05")
    assert (one.name, len(one.frames), one.drives) == ("ddad/val@CAMERA_05", 3, ("000150",))
    assert one.sha256 == split_sha256(one.frames, True)
    assert ddad_splits.find_split(root, "ddad/val", "camera_05,CAMERA_01").frames == split.frames
    listed = root / "list.txt"
    listed.write_text(f"000000/rgb/CAMERA_05/{STEM}.png\n000151/rgb/CAMERA_01/{STEM}.png\n")
    assert [frame.drive for frame in ddad_splits.find_split(root, str(listed), None).frames] == ["000000", "000151"]


def test_split_requests_that_make_no_sense(root: Path, tmp_path: Path) -> None:
    (tmp_path / "kitti.txt").write_text("2011_09_26_drive_0002_sync/image_02/0000000069\n")
    for name, cameras, message in (
        ("ddad/val", "CAMERA_09", "ddad/val: no frame of the camera CAMERA_09; it has CAMERA_01, CAMERA_05"),
        ("kitti_eigen/test", None, "kitti_eigen/test: a list of kitti_raw, its first drive is '2011_09_26_drive_0002_sync'"),
        ("ddad/vall", None, "ddad/vall: no split of ddad and no file"),
        (str(tmp_path / "kitti.txt"), None, "a list of kitti_raw"),
    ):
        with pytest.raises(DatasetError, match=message):
            ddad_splits.find_split(root, name, cameras)
    (root / "ddad.json").rename(root / "scene_dataset_v1.0.json")
    assert len(ddad_splits.find_split(root, "ddad/val", None).frames) == 7
    (root / "scene_dataset_v2.json").write_text("{}")
    with pytest.raises(
        DatasetError, match=r"expected ddad\.json, or one .*; found scene_dataset_v1\.0\.json, scene_dataset_v2"
    ):
        ddad.scene_list(root)
    write_json(root / "ddad.json", {"scene_splits": {"0": {"filenames": ["000000/s.json"]}}})
    with pytest.raises(DatasetError, match="lists no scene of val; it has train"):
        ddad_splits.find_split(root, "ddad/val", None)
    write_json(root / "ddad.json", {"scene_splits": {"1": {"filenames": ["a/s.json", "a/t.json"]}}})
    with pytest.raises(DatasetError, match=r"a/t\.json: expected <scene>/scene_<sha1>\.json, "):
        ddad_splits.find_split(root, "ddad/val", None)


def test_scenes_that_lack_a_camera_are_named(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    note = "1 of 2 scenes have fewer cameras, 1 image in all is not there: CAMERA_05 in 1 of the 1 samples of 000151"
    made = export_gt("ddad", root, "ddad/val@CAMERA_05", tmp_path / "gt.h5")
    assert (made.split, made.frames, made.notes) == ("ddad/val@CAMERA_05", 3, (SHORT, note))
    assert f"export_gt: {SHORT}\nexport_gt: {note}\n" in capsys.readouterr().err
    assert ddad_splits.find_split(root, "ddad/val", None).notes == (SHORT, note)
    assert ddad_splits.find_split(root, "ddad/val", "CAMERA_01").notes == (SHORT,)
    assert len(ddad_splits.find_split(root, "ddad/train", None).notes) == 1
    edit(scene_path(root), samples__1__datum_keys=["CAMERA_01-1", "LIDAR-1"])
    _, found = ddad_splits.find_split(root, "ddad/val", "CAMERA_05").notes
    assert "2 of 2 scenes have fewer cameras, 2 images" in found
    assert "CAMERA_05 in 1 of the 3 samples of 000150" in found
    with pytest.raises(OptionError, match="--split ddad/val@CAMERA_05 --camera CAMERA_01: the cameras are named twice"):
        ddad_splits.find_split(root, "ddad/val@CAMERA_05", "CAMERA_01")
    with pytest.raises(OptionError, match="--split ddad/val@: no camera after the @"):
        ddad_splits.find_split(root, "ddad/val@")


def test_samples_without_an_image_and_frames_without_a_point_are_named(root: Path, tmp_path: Path) -> None:
    edit(scene_path(root), samples__1__datum_keys=["LIDAR-1"])
    write_scan(lidar_file(root), data=np.array([[-5.0, 0, 0, 0]]))  # behind the cameras
    made = export(root, tmp_path / "gt.h5", camera="CAMERA_01")
    assert made.notes[0].startswith("2 of 50 scenes and 3 of 3950 samples are here: ")
    assert made.notes[1:] == (
        "samples without any image: 1 in 1 scenes, the first in 000150",
        f"1 of 3 frames has no point, first 000150/CAMERA_01/{STEM}",
    )
    (tmp_path / "one.txt").write_text(f"000150/CAMERA_01/{STEM}\n")
    with pytest.raises(DatasetError, match="one: not one of its 1 frames has a point in its image"):
        export(root, tmp_path / "one.h5", split=str(tmp_path / "one.txt"))
    assert not (tmp_path / "one.h5").exists()
    for i in range(3):
        edit(scene_path(root), **{f"samples__{i}__datum_keys": [f"LIDAR-{i}"]})
    edit(scene_path(root, "000151"), samples__0__datum_keys=["LIDAR-0"])
    with pytest.raises(DatasetError, match="no sample of the 2 scenes of ddad/val has an image"):
        ddad_splits.find_split(root, "ddad/val")


def test_a_scene_is_parsed_once_however_many_threads_want_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[Path] = []
    read_scene = dgp.read_scene

    def slowly(path: Path) -> dgp.Scene:
        parsed.append(path)
        time.sleep(0.05)
        return read_scene(path)

    monkeypatch.setattr(dgp, "read_scene", slowly)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ddad.recordings, [scene_path(root)] * 8))
    assert len(parsed) == 1
    assert all(one is found[0] for one in found)
    assert sum(read_index()[name].drives or 0 for name in ddad_splits.OWN_LISTS) < ddad.SCENES_IN_MEMORY


def test_an_image_that_cannot_be_read_is_not_a_full_disk(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests may run as root, whom no permission stops."""
    keep = Path.open

    def denied(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.suffix == ".png":
            raise PermissionError(13, "Permission denied", str(path))
        return keep(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(DatasetError, match=r"\.png: is there, but cannot be read \(Permission denied\); correct its"):
        export(root, tmp_path / "gt.h5")


def test_neighbours_are_of_the_same_camera_with_holes_at_the_ends(root: Path) -> None:
    first, second, third = (FIRST._replace(camera="CAMERA_05", number=STEM + 1000000 * i) for i in range(3))
    path = scene_path(root)
    assert ddad.neighbours(path, second) == (first, third)
    assert ddad.neighbours(path, first) == (None, second)
    assert ddad.neighbours(path, third, (1, 0, -2)) == (None, third, first)
    edit(path, samples__1__datum_keys=["CAMERA_01-1", "LIDAR-1"])
    assert ddad.neighbours(path, first) == (None, None)  # never the next but one
    assert ddad.neighbours(path, FIRST) == (None, FIRST._replace(number=STEM + 1000000))
    with pytest.raises(DatasetError, match=r"000150/CAMERA_05/7: .*scene_0+\.json has no such image"):
        ddad.neighbours(path, FIRST._replace(camera="CAMERA_05", number=7))


def test_context_keeps_frames_that_have_their_neighbours(root: Path, tmp_path: Path) -> None:
    made = export(root, tmp_path / "gt.h5", camera="CAMERA_01", context=(-1, 1))
    assert (made.split, made.frames) == ("ddad/val@CAMERA_01+context-1,1", 1)
    assert made.notes == (SHORT, "3 of 4 images are left out, because they lack a neighbour of --context -1,1")
    truth = read_hdf5(tmp_path / "gt.h5")
    assert truth.header.frame_id == (f"000150/CAMERA_01/{STEM + 1000000}",)
    split = ddad_splits.find_split(root, "ddad/val", None, context=(1, 0, 1))
    assert (split.name, len(split.frames)) == ("ddad/val+context1", 4)
    (tmp_path / "list.txt").write_text(f"000150/CAMERA_05/{STEM}\n000150/CAMERA_05/{STEM + 1000000}\n")
    assert len(ddad_splits.find_split(root, str(tmp_path / "list.txt"), context=(-1,)).frames) == 1
    with pytest.raises(
        DatasetError, match="ddad/val: none of its 7 images has all the neighbours -5; choose another --context"
    ):
        ddad_splits.find_split(root, "ddad/val", context=(-5,))
    for wrong in ((0,), (-1, 101)):
        with pytest.raises(OptionError, match="expected offsets in samples, not 0 and at most 100, such as -1,1"):
            ddad_splits.find_split(root, "ddad/val", context=wrong)
    (tmp_path / "list.txt").write_text("000199/CAMERA_05/7\n")
    with pytest.raises(DatasetError, match="000199/CAMERA_05/7: no scene '000199' is in the data set's lists"):
        ddad_splits.find_split(root, str(tmp_path / "list.txt"), context=(-1,))


@pytest.mark.parametrize("rule", [None, "nearest_point"])
def test_export_holds_every_map(root: Path, tmp_path: Path, rule: str | None) -> None:
    made = export(root, tmp_path / "gt.h5", depth_rule=rule)
    truth = read_hdf5(tmp_path / "gt.h5")
    assert (truth.header.dataset, truth.header.depth_kind, truth.header.data_scale) == ("ddad", "camera_z", None)
    assert truth.header.split == ("ddad/val+nearest_point" if rule else "ddad/val")
    assert truth.header.frame_id == ddad_splits.find_split(root, "ddad/val", None).frame_ids
    assert (made.frames, made.points, made.without_intrinsics) == (7, len(truth.data), 0)
    for i, frame in enumerate(ddad_splits.find_split(root, "ddad/val", None).frames):
        one = ddad.recordings(scene_path(root, frame.drive))[frame]
        scan = dgp_scene.points((frame.number - STEM) // 1000000)
        assert np.array_equal(truth.dense(i), restated(scan, one.T_camera_lidar(), one.K(), rule or "last_point"))
        assert np.array_equal(truth.K[i], one.K())


def test_bytes_depend_neither_on_threads_nor_on_the_images(root: Path, tmp_path: Path) -> None:
    export(root, tmp_path / "a.h5", jobs=1)
    export(root, tmp_path / "b.h5", jobs=3)
    for image in root.rglob("*.png"):
        image.unlink()
    export(root.parent, tmp_path / "c.h5")
    assert len({(tmp_path / f"{name}.h5").read_bytes() for name in "abc"}) == 1


def test_another_rule_takes_no_piece_of_an_interrupted_export(root: Path, tmp_path: Path) -> None:
    export(root, tmp_path / "near.h5", depth_rule="nearest_point")
    frames = ddad_splits.find_split(root, "ddad/val", None).frames
    from datasets_prep import shards
    from datasets_prep.sources import open_source

    names = set()
    for rule in ddad.DEPTH_RULES:
        split = ddad_splits.find_split(root, "ddad/val", None)
        source = open_source("ddad", root, split, depth=None, collision="reference", depth_rule=rule)
        names |= {piece.path.name for piece in shards.plan(tmp_path, source, frames)}
    assert len(names) == 2


def test_ego_masks_drop_points_and_say_so(root: Path, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    mask = np.full(SHAPE, 255, np.uint8)
    mask[12:] = 0
    cv2.imwrite(str(masks / "01.png"), mask)
    with pytest.raises(DatasetError, match=r"masks: no ego mask of CAMERA_05; expected CAMERA_05\.png or 05\.png: put"):
        export(root, tmp_path / "gt.h5", ego_masks=masks)
    cv2.imwrite(str(masks / "CAMERA_05.png"), np.full(SHAPE, 255, np.uint8))
    export(root, tmp_path / "all.h5")
    export(root, tmp_path / "gt.h5", ego_masks=masks)
    everything, truth = read_hdf5(tmp_path / "all.h5"), read_hdf5(tmp_path / "gt.h5")
    assert truth.header.split == "ddad/val+ego_masks"
    assert np.array_equal(truth.dense(0), np.where(mask, everything.dense(0), 0))
    assert not np.array_equal(truth.dense(0), everything.dense(0))
    assert np.array_equal(truth.dense(1), everything.dense(1))
    cv2.imwrite(str(masks / "01.png"), mask[:5])
    with pytest.raises(DatasetError, match=r"01\.png: the ego mask has 5x40 pixels, the images 24x40"):
        export(root, tmp_path / "other.h5", ego_masks=masks)
    for wrong, message in (
        (np.zeros(SHAPE, np.uint8), r"01\.png: 0 everywhere, as if the camera"),
        (
            np.dstack([mask] * 3),
            r"01\.png: a PNG of 8 bits and colour type 2; expected an 8-bit or 16-bit image of one channel",
        ),
        (np.dstack([mask] * 4), r"01\.png: a PNG of 8 bits and colour type 6"),
    ):
        cv2.imwrite(str(masks / "01.png"), wrong)
        with pytest.raises(DatasetError, match=message):
            export(root, tmp_path / "other.h5", ego_masks=masks)
    cv2.imwrite(str(masks / "01.png"), mask.astype(np.uint16))  # 255 of 65535 is not the car
    export(root, tmp_path / "deep.h5", ego_masks=masks)
    assert np.array_equal(read_hdf5(tmp_path / "deep.h5").dense(0), truth.dense(0))
    (masks / "01.png").write_bytes(b"GIF89a")
    with pytest.raises(DatasetError, match=r"01\.png: not a PNG"):
        export(root, tmp_path / "other.h5", ego_masks=masks)


def test_images_of_another_size(root: Path, tmp_path: Path) -> None:
    image = ddad.recordings(scene_path(root))[FIRST].image
    assert image.path is not None
    assert ddad.load_image(image).shape == (*SHAPE, 3)
    write_image(image.path, (24, 41))
    message = r"15616458249936530\.png: 24x41 pixels, but its scene says 24x40"
    with pytest.raises(DatasetError, match=message):
        ddad.load_image(image)
    with pytest.raises(DatasetError, match=message):
        export(root, tmp_path / "gt.h5")
    assert not (tmp_path / "gt.h5").exists()
    image.path.write_bytes(b"")
    with pytest.raises(DatasetError, match="no PNG or JPEG, but its scene says 24x40"):
        ddad.check_image(image)
    for shape in (SHAPE, (7, 9)):
        write_image(image.path.with_suffix(".jpg"), shape)
        image.path.with_suffix(".jpg").replace(image.path)  # a JPEG is known by its bytes
        if shape == SHAPE:
            ddad.check_image(image)
    with pytest.raises(DatasetError, match="7x9 pixels"):
        ddad.check_image(image)
    whole = image.path.read_bytes()
    profile = b"\xff\xe2\xff\xff" + bytes(0xFFFD)
    image.path.write_bytes(whole[:2] + 3 * profile + whole[2:])
    with pytest.raises(DatasetError, match="7x9 pixels"):
        ddad.check_image(image)
    for cut in range(len(whole)):
        image.path.write_bytes(whole[:cut])
        with pytest.raises(DatasetError, match="but its scene says"):
            ddad.check_image(image)


def lidar_file(root: Path) -> Path:
    return min((root / "000150" / "point_cloud" / "LIDAR").iterdir())


def calibration_file(root: Path) -> Path:
    return root / "000150" / "calibration" / f"{CALIBRATION}.json"


DAMAGE = {
    "no scan": (
        lambda root: lidar_file(root).unlink(),
        r"2 of the 7 frames of ddad/val have no LiDAR scan\. .*First: [^ ]+\.npz\. Nothing was written; `depthbench datasets",
    ),
    "no scene file": (
        lambda root: scene_path(root).unlink(),
        r"1 of 2 scenes of ddad/val have no scene file, the first is 000150/scene_0+\.json; unpack",
    ),
    "no calibration": (lambda root: calibration_file(root).unlink(), r"ca11b\.json: no such file"),
    "camera not calibrated": (
        lambda root: edit(calibration_file(root), names__0="camera_06"),
        r"ca11b\.json: names: no calibration of 'CAMERA_05'; it has camera_06, camera_01, lidar",
    ),
    "npz without data": (
        lambda root: write_scan(lidar_file(root), points=np.ones((3, 4))),
        r"\.npz: holds points; expected exactly one called data",
    ),
    "npz cut short": (
        lambda root: lidar_file(root).write_bytes(lidar_file(root).read_bytes()[:-9]),
        r"\.npz: cannot be read as \.npz",
    ),
    "npz without a point": (
        lambda root: write_scan(lidar_file(root), data=np.full((3, 4), np.nan)),
        r"\.npz: data: 3 points, none of them finite",
    ),
    "empty sample": (
        lambda root: edit(scene_path(root), samples__0__datum_keys=[]),
        r"samples\[0\]: datum_keys: the sample has none, expected its images and its scan",
    ),
    "no LiDAR in a sample": (
        lambda root: edit(scene_path(root), samples__1__datum_keys=["CAMERA_01-1"]),
        r"samples\[1\]: holds CAMERA_01; expected one point cloud",
    ),
    "image in two samples": (
        lambda root: edit(scene_path(root), samples__1__datum_keys=["CAMERA_01-0", "LIDAR-1"]),
        r"samples\[1\]: the image .* is in an earlier sample",
    ),
    "another data set's camera": (
        lambda root: edit(scene_path(root), data__0__id={"name": "FRONT"}),
        "FRONT, .*: expected a camera such as CAMERA_01",
    ),
    "a path that leaves the root": (
        lambda root: edit(root / "ddad.json", scene_splits={"1": {"filenames": ["../000150/scene.json"]}}),
        r"ddad\.json: scene_splits\[1\]: filenames: '\.\./000150/scene\.json' is no path within",
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damaged_data_is_one_paragraph(root: Path, tmp_path: Path, what: str) -> None:
    damage, message = DAMAGE[what]
    damage(root)
    with pytest.raises(DatasetError, match=message) as caught:
        export(root, tmp_path / "gt.h5")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "gt.h5").exists()
    result = CliRunner().invoke(main, ["export_gt", "--dataset", "ddad", "--data", str(root), "--out", str(tmp_path / "gt.h5")])
    assert isinstance(result.exception, InputError)  # the command prints it and exits with 1


def test_a_frame_that_the_data_set_lacks(root: Path, tmp_path: Path) -> None:
    for text, message in (("000150/CAMERA_01/7", "has no such image"), ("000199/CAMERA_01/7", "no scene '000199' is in the")):
        (tmp_path / "list.txt").write_text(f"{text}\n")
        with pytest.raises(DatasetError, match=f"{text}: .*{message}"):
            export(root, tmp_path / "gt.h5", split=str(tmp_path / "list.txt"))


def test_options_of_ddad_with_another_data_set(root: Path, tmp_path: Path) -> None:
    for options in ({"depth_rule": "last_point"}, {"ego_masks": tmp_path}):
        with pytest.raises(OptionError, match="--depth-rule, --ego-masks and --context are about ddad; kitti_raw has none"):
            export_gt("kitti_raw", root, None, tmp_path / "gt.h5", **options)
    with pytest.raises(DatasetError, match="ddad has no depth 'lidar_forward_x'; known: camera_z"):
        export(root, tmp_path / "gt.h5", depth="lidar_forward_x")


def test_six_cameras_are_scored_by_samples(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    """The miniature takes the place of the published 3,950 samples."""
    index = {**read_index(), "ddad/val": replace(read_index()["ddad/val"], frames=4, drives=2)}
    monkeypatch.setattr("benchmark.splits.read_index", lambda root=None: dict(index))
    export(root, tmp_path / "all.h5")
    export(root, tmp_path / "one.h5", camera="CAMERA_05")
    text = (PROTOCOLS / "packnet_kitti_camera_z.yaml").read_text()
    for name, split in (("whole", "ddad/val"), ("right", "ddad/val@CAMERA_05"), ("front", "ddad/val@CAMERA_01")):
        changed = text.replace("packnet_kitti_camera_z", name).replace("dataset: kitti_raw", "dataset: ddad")
        changed = re.sub(r"(?m)^split: .*", f"split: {split}", re.sub(r"(?m)^crop: .*", "crop: none", changed))
        (tmp_path / f"{name}.yaml").write_text(changed)
        n = {"whole": 7, "right": 3, "front": 4}[name]
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(0).uniform(5, 50, (n, *SHAPE)).astype(np.float32))
        words = ("evaluate", tmp_path / f"{name}.npy", "--kind", "depth", "--protocol", tmp_path / f"{name}.yaml", "--json")
        done = run(*words, "--gt", tmp_path / "all.h5")
        assert done.code == 0, done.err
        record = json.loads(done.out)[0]
        assert (record["n_images"], record["inputs"]["pred_split"]) == (n, split)
        assert any("1 of 2 scenes have fewer cameras" in warning for warning in record["warnings"]) == (name != "front")
    # All seven images were predicted, and those of the front camera are scored.
    done = run("evaluate", tmp_path / "whole.npy", *words[2:], "--gt", tmp_path / "all.h5", "--pred-split", "ddad/val")
    assert done.code == 0, done.err
    record = json.loads(done.out)[0]
    assert (record["n_images"], record["inputs"]["pred_split"]) == (4, "ddad/val")
    done = run(*words, "--gt", tmp_path / "one.h5")
    assert (done.code, "exported as ddad/val@CAMERA_05, expected ddad/val@CAMERA_01" in done.err) == (1, True)


def test_command(root: Path, tmp_path: Path) -> None:
    words = ["export_gt", "--dataset", "ddad", "--data", str(root), "--out", str(tmp_path / "gt.h5"), "--split", "ddad/train"]
    result = CliRunner().invoke(main, [*words, "--camera", "CAMERA_05", "--depth-rule", "nearest_point"])
    assert (result.exit_code, result.stdout) == (0, "")
    assert "1 frames of ddad/train@CAMERA_05+nearest_point" in result.stderr
    for words, code, said in (
        (["--split", "ddad/val", "--context", "-1,1"], 0, "2 frames of ddad/val+context-1,1"),
        (["--context", "a"], 2, "a: expected offsets such as -1,1"),
        (["--context", "0"], 1, "not 0 and at most 100"),
    ):
        result = CliRunner().invoke(
            main, ["export_gt", "--dataset", "ddad", "--data", str(root), "--out", str(tmp_path / "c.h5"), *words]
        )
        assert result.exit_code == code
        assert said in result.stderr + str(result.exception)


@pytest.mark.golden
def test_real_scene_equals_the_reference(real_data: Path, tmp_path: Path) -> None:
    """All maps of TRI's dgp bit for bit; the sums of the nearest points within the rounding to float32."""
    samples = json.loads((real_data / "golden.json").read_text())["dgp"]["results"]["scene_02"]["samples"]
    root = real_data / "ddad_like"
    for rule in ddad.DEPTH_RULES:
        export(root, tmp_path / f"{rule}.h5", depth_rule=rule)
    last, near = (read_hdf5(tmp_path / f"{rule}.h5") for rule in ddad.DEPTH_RULES)
    recordings = ddad.recordings(ddad.scene_files(root, "val")["scene_02"])
    assert len(last) == len(near) == len(recordings) == 18
    for i, (frame, one) in enumerate(recordings.items()):
        golden = samples[i // 6]["cameras"][frame.camera]
        expected = golden["depth_pose_route"]
        depth = last.dense(i)
        assert golden["file"].startswith(f"scene_02/rgb/{frame.camera}/{frame.number}.")
        assert hashlib.sha256(depth.tobytes()).hexdigest() == expected["sha256_float32"]
        assert np.count_nonzero(depth) == expected["n_valid"]
        assert one.K().tolist() == golden["K"]
        np.testing.assert_allclose(one.T_camera_lidar(), golden["lidar_to_camera_4x4_pose_route"], rtol=0, atol=1e-12)
        nearest = near.dense(i)
        zbuffer = golden["nearest_point_zbuffer_pose_route"]
        assert np.count_nonzero(nearest) == zbuffer["n_valid"]
        assert nearest.sum(dtype=np.float64) == pytest.approx(zbuffer["sum"], rel=1e-8)
        farther = np.count_nonzero((nearest > 0) & (depth > nearest * (1 + 1e-4)))  # the golden counts from 0.01 % on
        assert farther == zbuffer["n_pixels_where_dgp_last_write_is_farther"]


@pytest.mark.golden
def test_real_ego_masks_and_points(real_data: Path, tmp_path: Path) -> None:
    samples = json.loads((real_data / "golden.json").read_text())["dgp"]["results"]["scene_02"]["samples"]
    root, masks = real_data / "ddad_like", real_data / "misc" / "ddad_masks"
    for frame, one in ddad.recordings(ddad.scene_files(root, "val")["scene_02"]).items():
        assert one.image.shape == ddad.load_image(one.image).shape[:2] == (1216, 1936)
        mask = ddad.read_ego_mask(ddad.ego_mask_path(masks, frame.camera), (1216, 1936))
        valid = {"01": 1.0, "05": 0.905, "06": 0.932, "07": 0.739, "08": 0.738, "09": 0.815}[frame.camera[-2:]]
        assert mask.mean() == pytest.approx(valid, abs=1e-3)
    points = [dgp.read_points(sample.datums["LIDAR"]) for sample in dgp.read_scene(scene_path(root, "scene_02")).samples]
    assert [len(one) for one in points] == [sample["lidar"]["n_points"] for sample in samples] == [47230, 49469, 48620]
    export(root, tmp_path / "gt.h5", ego_masks=masks, camera="CAMERA_01")
    assert read_hdf5(tmp_path / "gt.h5").indptr[-1] == 5157 + 5557 + 5268  # this mask hides nothing


@pytest.mark.golden
def test_real_context_has_one_centre_sample(real_data: Path) -> None:
    samples = json.loads((real_data / "golden.json").read_text())["dgp"]["results"]["scene_02"]["samples"]
    root = real_data / "ddad_like"
    split = ddad_splits.find_split(root, "ddad/val", context=(-1, 1))
    assert [frame.camera for frame in split.frames] == ["CAMERA_01", *(f"CAMERA_0{i}" for i in range(5, 10))]
    for frame in split.frames:
        named = [sample["cameras"][frame.camera]["file"] for sample in samples]
        around = ddad.neighbours(ddad.scene_files(root)["scene_02"], frame)
        assert [Path(file).stem for file in named] == [str(one.number) for one in (around[0], frame, around[1]) if one]
    assert split.notes[1:] == ("12 of 18 images are left out, because they lack a neighbour of --context -1,1",)
