"""The folder of the DDAD challenge: what is read, and one paragraph for whatever is wrong with it."""

import shutil
from pathlib import Path

import ddad_challenge_files as files
import numpy as np
import pytest
from command import Run

from benchmark.errors import GroundTruthError, SplitError
from benchmark.io.ddad_challenge import frame_ids, read_challenge, read_labels
from benchmark.score import Request, score
from benchmark.splits import Split, read_list


@pytest.fixture
def six(tmp_path: Path) -> Split:
    files.own_protocol(tmp_path, "self")
    return read_list(tmp_path / "six.txt")


@pytest.mark.parametrize("bits", [8, 16])
def test_depth_and_ids_of_every_point(bits: int, tmp_path: Path, six: Split) -> None:
    truth = read_challenge(files.write_ground_truth(tmp_path / "gt", "sixteen", bits=bits), six, depth_kind="camera_z")
    assert truth.header.frame_id == tuple(f"val/CAMERA_01/{i}" for i in range(6))
    for i in range(6):
        raw = files.true_raw(i)
        assert np.array_equal(truth.dense(i), raw.astype(np.float32) / 256)
        assert np.array_equal(truth.ids(i), files.semantic_ids(i, "sixteen")[raw > 0])


def test_ids_are_part_of_what_is_hashed(tmp_path: Path, six: Split) -> None:
    one, same, other = (
        read_challenge(files.write_ground_truth(tmp_path / name, name[:-1], bits=bits), six, depth_kind="camera_z")
        for name, bits in (("five1", 8), ("five2", 16), ("sixteen3", 8))
    )
    assert one.content_sha256 == same.content_sha256 != other.content_sha256


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (np.full((4, 5), 21, np.uint8), 21),
        (np.full((4, 5), 21, np.uint16), 21),
        (np.full((4, 5), 21 * 256, np.uint16), 21),
        (np.zeros((4, 5), np.uint16), 0),
        (np.full((4, 5), 255 * 256, np.uint16), 255),
    ],
)
def test_ids_raw_or_times_256(stored: np.ndarray, expected: int, tmp_path: Path) -> None:
    files.write_png(tmp_path / "000000_sem.png", stored)
    assert (read_labels(tmp_path / "000000_sem.png") == expected).all()


def test_values_that_are_no_ids(tmp_path: Path) -> None:
    image = np.full((4, 5), 21 * 256, np.uint16)
    image[2, 3] += 1
    files.write_png(tmp_path / "000000_sem.png", image)
    with pytest.raises(
        GroundTruthError, match=r"000000_sem\.png: 5377 at row 2, column 3 \(1 such pixels\); expected semantic"
    ):
        read_labels(tmp_path / "000000_sem.png")
    files.write_png(tmp_path / "000001_sem.png", np.zeros((4, 5, 3), np.uint8))
    with pytest.raises(GroundTruthError, match=r"a PNG of 8 bits and colour type 2; expected an 8-bit or 16-bit image of one"):
        read_labels(tmp_path / "000001_sem.png")


def test_what_a_frame_lacks(tmp_path: Path, six: Split) -> None:
    folder = files.write_ground_truth(tmp_path / "gt", "five")
    (folder / "000003_sem.png").rename(tmp_path / "away.png")
    with pytest.raises(GroundTruthError, match=r"000003_sem\.png: cannot be read \(No such file.*expected the semantic ids"):
        read_challenge(folder, six, depth_kind="camera_z")
    files.write_png(folder / "000003_sem.png", np.zeros((48, 81), np.uint8))
    with pytest.raises(GroundTruthError, match=r"000003_sem\.png: 48x81 pixels, its 000003_gt\.png has 48x80; expected one"):
        read_challenge(folder, six, depth_kind="camera_z")
    (tmp_path / "away.png").rename(folder / "000003_sem.png")
    (folder / "000005_gt.png").unlink()
    with pytest.raises(GroundTruthError, match=r"000005_gt\.png: cannot be read"):
        read_challenge(folder, six, depth_kind="camera_z")


def test_positions_count_from_zero(tmp_path: Path) -> None:
    folder = files.write_ground_truth(tmp_path / "gt", "five")
    assert frame_ids(folder) == tuple(f"val/CAMERA_01/{i}" for i in range(6))
    (folder / "000002_gt.png").unlink()
    with pytest.raises(GroundTruthError, match=r"5 files NNNNNN_gt\.png, and 000002_gt\.png is not among them"):
        frame_ids(folder)
    with pytest.raises(GroundTruthError, match=r"no such folder; expected that of the DDAD challenge"):
        frame_ids(tmp_path / "nowhere")
    (tmp_path / "other").mkdir()
    shutil.copy(folder / "000000_gt.png", tmp_path / "other" / "000000.png")
    with pytest.raises(GroundTruthError, match=r"holds no NNNNNN_gt\.png; expected the files of the DDAD challenge"):
        frame_ids(tmp_path / "other")


def test_the_published_protocol_takes_all_its_frames(tmp_path: Path) -> None:
    folder = files.write_ground_truth(tmp_path / "gt", "five")
    pred = files.write_predictions(tmp_path / "pred", (30, 50))
    with pytest.raises(SplitError, match="ddad_challenge/val: 6 frames, expected 3950"):
        score(Request(pred, folder, ("ddad_challenge_semi",), kind="depth"))


def test_ids_that_the_evaluator_was_never_run_on_are_said(tmp_path: Path) -> None:
    folder = files.write_ground_truth(tmp_path / "gt", "five")
    ids = files.semantic_ids(0, "five")
    ids[ids == 21] = 7
    ids[:, :2] = 200
    files.write_png(folder / "000000_sem.png", ids)
    pred = files.write_predictions(tmp_path / "pred", (30, 50))
    request = Request(pred, folder, (str(files.own_protocol(tmp_path, "semi")),), kind="depth")
    (result,) = score(request)
    seen = ids[files.true_raw(0) > 0]
    n = [int((seen == k).sum()) for k in (7, 200)]
    (warning,) = [w for w in result.record["warnings"] if "semantic ids" in w]
    assert warning.startswith(f"{sum(n):,} of 17,280 ground-truth pixels have semantic ids whose class is not held to the")
    assert warning.endswith(f"by id: 7 (Crosswalk as Road): {n[0]}, 200 (unknown, not scored): {n[1]}")
    assert result.record["parts"]["class"]["Road"]["n_images"] == 6


def test_a_hole_in_a_prediction_is_refused(tmp_path: Path, run: Run) -> None:
    """The published evaluator prints NaN and inf for a depth of 0; a number beside them would say nothing."""
    folder = files.write_ground_truth(tmp_path / "gt", "five")
    pred = files.write_predictions(tmp_path / "pred", (30, 50))
    raw = files.predicted_raw(2, (30, 50))
    raw[4, 5] = 0
    files.write_png(pred / "000002.png", raw)
    common = ("--gt", folder, "--protocol", files.own_protocol(tmp_path, "semi"), "--kind", "depth")
    done = run("evaluate", pred, *common)
    assert done.code == 1
    assert "the prediction of val/CAMERA_01/2 is 0.0 at row 4, column 5" in done.err
    assert run("check", pred, *common).code == 1
