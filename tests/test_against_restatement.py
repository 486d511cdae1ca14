"""The engine, which samples points, against the dense restatement, which resizes whole maps and shares nothing with it."""

import dataclasses

import numpy as np
import pytest
from engine_settings import METRIC_SETS, rules_of, run_engine
from restatement import Setting, score_dense
from synthetic_frames import synthetic_frames

from benchmark.protocol import load_protocol, protocol_names

FRAMES = synthetic_frames(50)
# The devkit does not resize; it has its own test below.
PROTOCOLS = [name for name in protocol_names() if name != "kitti_devkit"]
SCALINGS = ("median", "stereo", "none", "lstsq_depth", "lstsq_disparity", "factor=3.7")
ACCURACIES = ("a1", "a2", "a3")


def _compare(protocol, kind, frames, *, flip=False, maps=None):
    maps = [f.ground_truth for f in frames] if maps is None else maps
    protocol = dataclasses.replace(protocol, classes=None)  # test_golden_ddad.py is about these
    unflipped = [f.unflipped for f in frames] if flip else None
    table = run_engine(maps, [f.prediction for f in frames], protocol, kind=kind, unflipped=unflipped)
    rules = rules_of(protocol, kind)
    names = {theirs: both for theirs, both in METRIC_SETS[rules["metric_set"]].items() if both[0] in protocol.metrics}
    expected = []
    for i, frame in enumerate(frames):
        wide = (
            {"dtype": "float64"} if frame.prediction.dtype == np.float64 or (flip and protocol.flip_fusion == "float64") else {}
        )
        restated = score_dense(
            maps[i], frame.prediction, Setting(**(rules | wide)), unflipped=frame.unflipped if flip else None
        )
        assert table.n_valid[i] == restated["n_valid"]
        assert table.scale[i] == pytest.approx(restated["scale"], rel=1e-5)
        for theirs, (ours, _) in names.items():
            tolerance = {"abs": 2 / restated["n_valid"]} if ours in ACCURACIES else {"rel": 1e-5, "abs": 1e-9}
            assert table.values[ours][i] == pytest.approx(restated[theirs], **tolerance), (i, ours)
        expected.append([restated[theirs] for theirs in names])
    for (_, (ours, _)), column in zip(names.items(), np.array(expected).T, strict=True):
        tolerance = {"abs": 1e-5} if ours in ACCURACIES else {"rel": 1e-5}
        assert table.values[ours].mean() == pytest.approx(column.mean(), **tolerance)


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_and_scaling_on_all_sizes(name: str, scaling: str) -> None:
    _compare(dataclasses.replace(load_protocol(name), scaling=scaling), "disparity", FRAMES)


@pytest.mark.parametrize("kind", ["depth", "inverse_depth"])
@pytest.mark.parametrize("name", PROTOCOLS)
def test_other_kinds_of_predictions(name: str, kind: str) -> None:
    _compare(load_protocol(name), kind, FRAMES[:10])


@pytest.mark.parametrize("name", ["kitti_eigen", "kitti_eigen_benchmark", "packnet_kitti_camera_z"])
def test_flip_fusion(name: str) -> None:
    _compare(load_protocol(name), "disparity", FRAMES[:10], flip=True)


def test_devkit_protocol_on_maps_of_the_same_size() -> None:
    frames = [
        dataclasses.replace(f)
        if dataclasses.is_dataclass(f)
        else f._replace(prediction=np.resize(f.prediction, f.ground_truth.shape))
        for f in FRAMES[:5]
    ]
    table = run_engine(
        [f.ground_truth for f in frames], [f.prediction for f in frames], load_protocol("kitti_devkit"), kind="depth"
    )
    rules = Setting(
        kind="depth", resized="depth", min_depth=0.0, max_depth=None, scaling="none", clamp=None, metric_set="devkit"
    )
    for i, frame in enumerate(frames):
        restated = score_dense(frame.ground_truth, frame.prediction, rules)
        for theirs, (ours, _) in METRIC_SETS["devkit"].items():
            assert table.values[ours][i] == pytest.approx(restated[theirs], rel=1e-5)
