"""packnet_ddad on a real DGP scene: export, made predictions, the command, and the restatement that shares nothing with us."""

import csv
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from command import Run
from engine_settings import METRIC_SETS, rules_of
from restatement import Setting, score_dense

from benchmark.io.ground_truth_hdf5 import read_hdf5
from benchmark.protocol import FOLDER, load_protocol

STEMS = ("15616458249936530", "15616458250936520", "15616458251936472")
CAMERAS = tuple(f"CAMERA_0{k}" for k in (1, 5, 6, 7, 8, 9))
IDS = [f"scene_02/{camera}/{stem}" for stem in STEMS for camera in CAMERAS]
BOUNDS = (0, 20, 40, 60, 80, 100, 200)


def _predictions() -> np.ndarray:
    """Depth (18, 96, 160) float32 of a road with waves on it."""
    r, c = ((np.arange(96) + 0.5) / 96)[:, None], ((np.arange(160) + 0.5) / 160)[None, :]
    road = np.clip(8 / np.maximum(r - 0.45, 0.05), 2, 150)
    return np.stack([road * (1 + 0.2 * np.sin(7 * c + 0.3 * i)) for i in range(len(IDS))]).astype(np.float32)


@pytest.mark.golden
def test_the_whole_road_on_a_real_scene(real_data: Path, tmp_path: Path, run: Run) -> None:
    frames, own = tmp_path / "scene_02.txt", tmp_path / "own.yaml"
    frames.write_text("\n".join(IDS) + "\n")
    text = (FOLDER / "packnet_ddad_surround.yaml").read_text().replace("name: packnet_ddad_surround", "name: own")
    own.write_text(text.replace("split: ddad/val", f"split: {frames}"))
    gt = tmp_path / "gt.h5"
    exported = run("export_gt", "--dataset", "ddad", "--data", real_data / "ddad_like", "--split", frames, "--out", gt)
    assert exported.code == 0, exported.err
    np.save(tmp_path / "depth.npy", _predictions())
    done = run(
        "evaluate", tmp_path / "depth.npy", "--gt", gt, "--protocol", own, "--kind", "depth", "--out", tmp_path / "out",
        "--json", "--scaling", "median",
    )  # fmt: skip
    assert done.code == 0, done.err
    (record,) = json.loads(done.out)

    truth, protocol = read_hdf5(gt), load_protocol("packnet_ddad_surround")
    setting = Setting(**rules_of(protocol, "depth"))
    restated = [score_dense(truth.dense(i), depth, setting) for i, depth in enumerate(_predictions())]
    assert record["n_pixels"] == sum(one["n_valid"] for one in restated)
    for name in METRIC_SETS["eigen7"]:
        means = {c: np.mean([m[name] for m, frame in zip(restated, IDS, strict=True) if c in frame]) for c in CAMERAS}
        tolerance = {"abs": 2e-4} if name in {"a1", "a2", "a3"} else {"rel": 1e-5}
        assert record["metrics"][name]["mean"] == pytest.approx(np.mean([m[name] for m in restated]), **tolerance)
        # PackNet-SfM averages the cameras of a sample first; with all cameras in every sample that is the same mean.
        assert record["metrics"][name]["mean"] == pytest.approx(np.mean([*means.values()]), **tolerance)
        found = {camera: part["metrics"][name] for camera, part in record["parts"]["camera"].items()}
        assert found == pytest.approx(means, **tolerance)
    _ranges_hold_what_they_say(tmp_path / "out" / "depth.own.median.parts.csv", truth)


def _ranges_hold_what_they_say(path: Path, truth) -> None:
    with path.open(newline="") as file:
        rows = {(row["frame_id"], row["part"]): int(row["n_valid"]) for row in csv.DictReader(file)}
    for i, frame in enumerate(truth.header.frame_id):
        counts, _ = np.histogram(truth.frame(i)[2], BOUNDS)  # the last bin of numpy is closed; no depth is 200 m
        names = [f"range_{low}_{high}" for low, high in pairwise(BOUNDS)]
        assert [rows.get((frame, name), 0) for name in names] == counts.tolist()
