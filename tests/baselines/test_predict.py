import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from kitti_tree import DATE, DRIVE, write_calibration, write_list, write_scans
from small_world import names_in

from baselines import prediction_file
from baselines.predict import OPENERS, PRIORS, Plan, predict
from baselines.prediction_file import write_predictions
from benchmark.cli import main
from benchmark.entry_point import run
from benchmark.errors import DatasetError, GroundTruthError, OptionError, PredictionError
from benchmark.io.ground_truth_hdf5 import read_hdf5
from benchmark.io.manifest import read_manifest
from benchmark.io.predictions import read_predictions
from benchmark.score import Request, score
from benchmark.splits import load_split, read_list
from datasets_prep.export_gt import export_gt

SHAPE = (48, 160)
F, BASELINE = 100.0, 0.5  # 50 px m
NUMBERS = [3, 4, 9]
BANDS = (4, 8, 12)  # pixels of disparity: 12.5, 6.25 and 4.17 m
P_RECT = {"02": f"{F} 0 80 5 0 {F} 20 0 0 0 1 0", "03": f"{F} 0 80 {5 - F * BASELINE} 0 {F} 20 0 0 0 1 0"}


def write_images(raw: Path, number: int, suffix: str = ".png") -> None:
    """Both colour images of a frame: a texture, each band of rows at one disparity, the bands turned by the frame's number."""
    rng = np.random.default_rng(number)
    canvas = rng.integers(0, 120, (*SHAPE, 3)) + rng.integers(0, 120, (12, 40, 3)).repeat(4, 0).repeat(4, 1)
    canvas = np.concatenate([canvas, canvas[:, ::-1]], axis=1).astype(np.uint8)
    right = [canvas[y, d : d + SHAPE[1]] for y, d in enumerate(np.repeat(np.roll(BANDS, number), 16))]
    for camera, image in (("image_02", canvas[:, : SHAPE[1]]), ("image_03", np.stack(right))):
        path = raw / DATE / DRIVE / camera / "data" / f"{number:010d}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), image)


def write_stereo_calibration(raw: Path) -> None:
    write_calibration(raw, shape=SHAPE)
    path = raw / DATE / "calib_cam_to_cam.txt"
    kept = [line for line in path.read_text().splitlines() if not line.startswith("P_rect")]
    path.write_text("\n".join(kept + [f"P_rect_{c}: {p}" for c, p in P_RECT.items()]) + "\n")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A tree with calibration, stereo images, scans, two lists and the exported ground truth of one."""
    raw = tmp_path / "data" / "kitti_raw"
    write_stereo_calibration(raw)
    for number in NUMBERS:
        write_images(raw, number)
    write_scans(raw, NUMBERS)
    write_list(raw.parent / "list.txt", NUMBERS)
    write_list(raw.parent / "right.txt", NUMBERS, side="r")
    export_gt("kitti_raw", raw.parent, str(raw.parent / "list.txt"), raw.parent / "gt.h5", depth="camera_z", quiet=True)
    return raw.parent


def options_of(prior: str, data: Path) -> dict:
    return {
        "constant": {},
        "ground_plane": {"data": data},
        "median_map": {"train_gt": data / "gt.h5"},
        "sgm": {"data": data},
        "noisy_truth": {"gt": data / "gt.h5"},
    }[prior]


def make(prior: str, data: Path, out: Path, *, split: str | None = None, **options):
    given = {"data": None, "size": (24, 40), **options_of(prior, data), **options}
    return predict(prior, split or str(data / "list.txt"), given.pop("data"), out, quiet=True, **given)


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("suffix", [".npy", ".h5"])
def test_every_prior_writes_a_file_that_is_read_back_and_the_same_bytes_each_time(data, tmp_path, prior, suffix):
    out = data / f"out{suffix}"
    made = make(prior, data, out, jobs=3)
    manifest = read_manifest(made.manifest)
    assert (manifest.predictions, manifest.kind, manifest.method) == (out, "depth", made.method)
    assert Path(manifest.split) == data / "list.txt"
    assert manifest.training == ("list" if prior == "median_map" else None)
    split = read_list(data / "list.txt")
    predictions = read_predictions(out, split.frame_ids)
    assert predictions.shape == (3, 24, 40)
    assert predictions.frame_id == (split.frame_ids if suffix == ".h5" else None)
    first = out.read_bytes()
    maps = [predictions.load(i).copy() for i in range(3)]
    assert all(m.dtype == np.float32 and m.min() > 0 and np.isfinite(m).all() for m in maps)
    make(prior, data, out, jobs=1)
    assert out.read_bytes() == first
    assert names_in(data) == sorted(["gt.h5", "kitti_raw", "list.txt", "right.txt", out.name, "out.yaml"])


def test_the_two_forms_hold_the_same_numbers(data):
    for name in ("a.npy", "b.h5"):
        make("sgm", data, data / name)
    ids = read_list(data / "list.txt").frame_ids
    array, named = (read_predictions(data / name, ids) for name in ("a.npy", "b.h5"))
    assert all(np.array_equal(array.load(i), named.load(i)) for i in range(3))


def test_constant_ground_plane_and_clip(data):
    make("constant", data, data / "c.npy", depth=6.5)
    assert np.unique(np.load(data / "c.npy")).tolist() == [6.5]
    made = make("ground_plane", data, data / "g.npy", clip=30, size=(48, 160))
    plane = np.load(data / "g.npy")
    assert made.method == "ground_plane_30m"
    assert plane[2, 40, 3] == pytest.approx(1.65 * F / (40 - 20))
    assert (plane[:, :21] == 30).all()


@pytest.mark.parametrize("lists", ["list.txt", "right.txt"])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_sgm_of_left_and_right_cameras(data, lists, suffix):
    for path in (data / "kitti_raw").rglob("*.png"):
        path.unlink()
    for number in NUMBERS:
        write_images(data / "kitti_raw", number, suffix)
    make("sgm", data, data / "s.npy", split=str(data / lists), size=SHAPE)
    for depth, number in zip(np.load(data / "s.npy"), NUMBERS, strict=True):
        truth = F * BASELINE / np.repeat(np.roll(BANDS, number), 16)[:, None]
        assert np.median(np.abs(depth - truth) / truth) < 0.02


def test_noisy_truth_is_the_truth_with_noise_that_depends_on_the_frame_alone(data):
    truth = read_hdf5(data / "gt.h5")
    made = make("noisy_truth", data, data / "n.npy", size=SHAPE, sigma=0.2, seed=5)
    assert made.method == "noisy_truth_0.2"
    logs = []
    for i, depth in enumerate(np.load(data / "n.npy")):
        row, column, metres = truth.points(i)
        logs.append(np.log(depth[row, column] / metres))
    assert np.concatenate(logs).std() == pytest.approx(0.2, rel=0.2)
    assert not np.array_equal(logs[0], logs[1])
    write_list(data / "turned.txt", NUMBERS[::-1])
    make("noisy_truth", data, data / "t.npy", split=str(data / "turned.txt"), size=SHAPE, sigma=0.2, seed=5)
    assert np.array_equal(np.load(data / "t.npy")[::-1], np.load(data / "n.npy"))
    make("noisy_truth", data, data / "other.npy", size=SHAPE, sigma=0.2, seed=6)
    assert not np.array_equal(np.load(data / "other.npy"), np.load(data / "n.npy"))


def test_a_median_map_that_has_seen_the_test_frames_says_so(data):
    assert "3 of the frames" in make("median_map", data, data / "m.npy").note
    assert make("median_map", data, data / "m.npy", split=str(data / "right.txt")).note == ""


def tiny_protocol(path: Path, split: Path) -> Path:
    """kitti_eigen's arithmetic on a list of our own."""
    import benchmark.protocol

    text = (Path(benchmark.protocol.__file__).parent / "protocols" / "packnet_kitti_camera_z.yaml").read_text()
    lines = [line for line in text.splitlines() if not line.startswith(("name:", "split:", "crop:"))]
    path.write_text("\n".join([*lines, "name: tiny", f"split: {split}", "crop: none"]) + "\n")
    return path


@pytest.mark.parametrize("out", ["n.npy", "n.h5"])
def test_evaluate_takes_the_manifest_and_the_bare_file(data, out):
    make("noisy_truth", data, data / out, size=SHAPE, sigma=0.1)
    protocol = str(tiny_protocol(data / "tiny.yaml", data / "list.txt"))
    by_manifest = score(Request(data / "n.yaml", data / "gt.h5", (protocol,), ("none",)))[0].record
    bare = score(Request(data / out, data / "gt.h5", (protocol,), ("none",), kind="depth"))[0].record
    assert by_manifest["method"] == "noisy_truth_0.1"
    assert by_manifest["metrics"] == bare["metrics"]
    # E|exp(0.1 g) - 1| is 0.08 for a normal g.
    assert by_manifest["metrics"]["abs_rel"]["mean"] == pytest.approx(0.08, abs=0.02)


def test_splits_of_ours_are_named_in_the_manifest(tmp_path):
    made = predict("constant", "world_small/test", None, tmp_path / "c.npy", size=(4, 6), quiet=True)
    assert (made.frames, read_manifest(made.manifest).split) == (60, "world_small/test")
    made = predict("constant", "world_small/train", None, tmp_path / "t.h5", size=(4, 6), quiet=True)
    assert read_manifest(made.manifest).split == "world_small/train"
    assert read_predictions(tmp_path / "t.h5", ()).frame_id == load_split("world_small/train").frame_ids


def test_an_array_needs_an_order_and_a_list_that_its_manifest_can_name(data, tmp_path):
    with pytest.raises(PredictionError, match=r"set of frames without an order; choose t\.h5"):
        predict("constant", "world_small/train", None, tmp_path / "t.npy", quiet=True)
    elsewhere = tmp_path / "elsewhere"
    with pytest.raises(PredictionError, match=r"list that lies in its own folder.*choose c\.h5"):
        make("constant", data, elsewhere / "c.npy")
    made = make("constant", data, elsewhere / "c.h5")
    assert read_manifest(made.manifest).split is None


@pytest.mark.parametrize(
    ("prior", "options", "told"),
    [
        ("sgn", {}, "no method is called 'sgn'; known: constant, ground_plane, median_map, sgm, noisy_truth"),
        ("constant", {"clip": 20.0}, "--clip belongs to ground_plane; constant takes --depth"),
        ("sgm", {"train_gt": Path("x.h5")}, "--train-gt belongs to median_map; sgm takes --data"),
        ("constant", {"data": Path()}, "--data belongs to ground_plane and sgm"),
        ("noisy_truth", {}, "noisy_truth needs --gt"),
        ("median_map", {}, "median_map needs --train-gt"),
        ("constant", {"depth": 0.0}, "--depth 0.0: expected a number above zero"),
        ("noisy_truth", {"gt": Path("x"), "sigma": float("nan")}, "--sigma nan"),
        ("constant", {"size": (1, 640)}, "--size 1x640"),
    ],
)
def test_wrong_options_are_wrong_usage(tmp_path, prior, options, told):
    given = {"data": None, **options}
    with pytest.raises(OptionError, match=told):
        predict(prior, "world_small/test", given.pop("data"), tmp_path / "c.npy", quiet=True, **given)
    assert names_in(tmp_path) == []


def test_what_cannot_be_written_is_refused_before_anything_is_made(data):
    for name in ("d.npz", "d", "kitti_raw"):
        with pytest.raises(PredictionError, match="expected a file to write"):
            make("constant", data, data / name)
    (data / "recipe.yaml").write_text("lr: 0.1\n")
    with pytest.raises(PredictionError, match=r"recipe\.yaml: the manifest of recipe\.npy goes there"):
        make("constant", data, data / "recipe.npy")
    assert (data / "recipe.yaml").read_text() == "lr: 0.1\n"
    assert not (data / "recipe.npy").exists()


def test_a_full_disk(data, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    before = names_in(data)
    for place, function in ((prediction_file.os, "posix_fallocate"), (prediction_file, "_write_maps")):
        with monkeypatch.context() as patch:
            patch.setattr(place, function, full, raising=False)  # macOS has no posix_fallocate
            for name in ("c.npy", "c.h5"):
                with pytest.raises(PredictionError, match=rf"{name}: cannot write.*No space left on device"):
                    make("constant", data, data / name)
    assert names_in(data) == before


def test_an_interrupt_leaves_nothing_and_what_was_there_stays(data):
    make("constant", data, data / "c.npy")
    before = {path: path.read_bytes() for path in data.glob("c.*")}
    split, asked = read_list(data / "list.txt"), []

    def task(i: int) -> np.ndarray:
        asked.append(i)
        signal.raise_signal(signal.SIGINT)
        return np.ones((24, 40), np.float32)

    with pytest.raises(KeyboardInterrupt):
        write_predictions(data / "c.npy", split, task, size=(24, 40), method="m", training=None, jobs=1, quiet=True)
    assert {path: path.read_bytes() for path in data.glob("c.*")} == before
    assert names_in(data) == sorted([*(path.name for path in before), "gt.h5", "kitti_raw", "list.txt", "right.txt"])
    assert 1 <= len(asked) <= 3


@pytest.mark.parametrize("value", [0, -1, np.nan, np.inf])
def test_a_map_that_is_no_depth_is_never_written(data, monkeypatch, value):
    monkeypatch.setitem(OPENERS, "constant", lambda split, size, depth: Plan("m", lambda i: np.full(size, value, np.float32)))
    before = names_in(data)
    with pytest.raises(PredictionError, match="0000000003: the prediction has shape"):
        make("constant", data, data / "c.npy")
    assert names_in(data) == before


def test_missing_and_damaged_images(data):
    raw = data / "kitti_raw"
    path = raw / DATE / DRIVE / "image_03" / "data" / "0000000004.png"
    whole = path.read_bytes()
    path.write_bytes(whole[:500])
    with pytest.raises(DatasetError, match=r"image_03/data/0000000004\.png: the PNG is cut short"):
        make("sgm", data, data / "s.npy")
    cv2.imwrite(str(path), np.zeros((10, 12, 3), np.uint8))
    with pytest.raises(DatasetError, match=r"0000000004\.png: 10x12 pixels \(height x width\), expected 48x160"):
        make("sgm", data, data / "s.npy")
    path.unlink()
    with pytest.raises(DatasetError, match=r"1 of the 3 frames of list have no second view.*image_03/data/0000000004\.png"):
        make("sgm", data, data / "s.npy")
    for camera in ("image_02", "image_03"):
        cv2.imwrite(str(raw / DATE / DRIVE / camera / "data" / "0000000004.png"), np.zeros((*SHAPE, 3), np.uint8))
    with pytest.raises(DatasetError, match=r"no match for any pixel of .*0000000004 in .*image_03.*neither of them blank"):
        make("sgm", data, data / "s.npy")
    assert "s.npy" not in names_in(data)


def test_a_calibration_without_a_pair_is_refused(data):
    path = data / "kitti_raw" / DATE / "calib_cam_to_cam.txt"
    text = path.read_text()
    path.write_text(text.replace(P_RECT["03"], P_RECT["02"]))
    with pytest.raises(DatasetError, match="no rectified stereo pair"):
        make("sgm", data, data / "s.npy")
    path.write_text("\n".join(line for line in text.splitlines() if not line.startswith("P_rect_03")))
    with pytest.raises(DatasetError, match="no key 'P_rect_03'"):
        make("sgm", data, data / "s.npy")


def test_ground_truth_that_is_missing_or_of_other_frames(data):
    with pytest.raises(GroundTruthError, match="no such file"):
        make("median_map", data, data / "m.npy", train_gt=data / "none.h5")
    with pytest.raises(GroundTruthError, match=r"lacks 3 of the 3 frames of right, the first is .*image_03"):
        make("noisy_truth", data, data / "n.npy", split=str(data / "right.txt"))


def test_the_verb(data):
    arguments = ["predict", "ground_plane", "--split", str(data / "list.txt"), "--data", str(data), "--out"]
    done = CliRunner().invoke(main, [*arguments, str(data / "g.npy"), "--size", "24x40", "--clip", "20", "--jobs", "2"])
    assert (done.exit_code, done.stdout) == (0, "")
    assert "ground_plane_20m on 3 frames of list, 24x40" in done.stderr
    assert np.load(data / "g.npy").shape == (3, 24, 40)
    wrong = CliRunner().invoke(main, [*arguments, str(data / "h.npy"), "--sigma", "0.1"])
    assert isinstance(wrong.exception, OptionError)
    assert "--sigma belongs to noisy_truth; ground_plane takes --data, --clip" in str(wrong.exception)


@pytest.mark.parametrize(("prior", "option"), [("noisy_truth", "gt"), ("median_map", "train_gt")])
def test_the_ground_truth_is_never_the_output(tmp_path, prior, option):
    truth = tmp_path / "gt.h5"
    truth.write_bytes(b"precious")
    with pytest.raises(OptionError, match="names the ground truth that is read"):
        predict(prior, "world_small/test", None, truth, quiet=True, **{option: tmp_path / "." / "gt.h5"})
    assert truth.read_bytes() == b"precious"


def test_wrong_usage_exits_with_2(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["depthbench", "predict", "crystal_ball", "--split", "world_small/test", "--out", "c.npy"])
    with pytest.raises(SystemExit) as caught:
        run(main)
    assert caught.value.code == 2
    assert "no method is called 'crystal_ball'; known: constant" in capsys.readouterr().err


REAL_DRIVE = "2011_09_26_drive_0001_sync"


@pytest.mark.golden
@pytest.mark.parametrize("side", ["l", "r"])
def test_priors_on_real_kitti(real_data, tmp_path, side):
    """Four frames against their LiDAR: measured are abs_rel 0.038 and delta1 0.98 for SGM, 0.015 for the road as a plane."""
    listed = write_list(tmp_path / "list.txt", [0, 5, 25, 45], REAL_DRIVE, side)
    export_gt("kitti_raw", real_data, str(listed), tmp_path / "gt.h5", depth="camera_z", quiet=True)
    truth = read_hdf5(tmp_path / "gt.h5")
    for prior in ("sgm", "ground_plane"):
        predict(prior, str(listed), real_data, tmp_path / f"{prior}.npy", size=(375, 1242), quiet=True)
    sgm, plane = (np.load(tmp_path / f"{prior}.npy") for prior in ("sgm", "ground_plane"))
    errors, ratios, road = [], [], []
    for i in range(4):
        row, column, metres = truth.points(i)
        # The field's LiDAR maps lie one pixel up and left of the image.
        row, column = row + 1, column + 1
        kept = (row > 153) & (row < 371) & (column > 44) & (column < 1197) & (metres < 80)
        row, column, metres = row[kept], column[kept], metres[kept]
        depth = np.minimum(sgm[i, row, column], 80)
        errors.append(np.mean(np.abs(depth - metres) / metres))
        ratios.append(np.mean(np.maximum(depth / metres, metres / depth) < 1.25))
        # The lane in front of the car.
        lane = (row > 240) & (column > 540) & (column < 700)
        assert lane.sum() > 500
        road.append(np.mean(np.abs(plane[i, row, column] - metres)[lane] / metres[lane]))
    assert np.mean(errors) < 0.045
    assert np.mean(ratios) > 0.975
    assert np.mean(road) < 0.025
