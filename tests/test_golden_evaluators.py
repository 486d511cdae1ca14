"""The engine meets the numbers of the reference evaluators, run on real ground truth with predictions given by formulas."""

from pathlib import Path

import numpy as np
import pytest
from engine_settings import METRIC_SETS, protocol_of, run_engine
from golden_cases import Case, cases, realdata_golden
from golden_predictions import prediction_map
from real_ground_truth import annotated_map, ground_truth_map, velodyne_map

ACCURACIES = ("a1", "a2", "a3")
DEVKIT_RTOL = 2e-4  # the devkit sums in float32, pixel after pixel
RTOL = 5e-6


def _prediction(case: Case, name: str, frame: int):
    values = prediction_map(name, case.pred_size, frame)
    if values.dtype == np.uint16:
        return values.astype(np.float32) / np.float32(256)
    return values


@pytest.mark.golden
@pytest.mark.parametrize("case", cases(), ids=lambda c: f"{c.id}-{c.evaluator}")
def test_meets_reference_evaluator(case: Case, real_data: Path) -> None:
    protocol, kind = protocol_of(case.rules)
    maps = [ground_truth_map(real_data, case.gt_name, f) for f in case.frames]
    predictions = [_prediction(case, case.prediction, f) for f in case.frames]
    unflipped = None if case.flipped is None else [_prediction(case, case.flipped, f) for f in case.frames]
    table = run_engine(maps, predictions, protocol, kind=kind, unflipped=unflipped)
    names = {theirs: ours for theirs, (ours, _) in METRIC_SETS[case.rules.get("metric_set", "eigen7")].items()}
    rtol = DEVKIT_RTOL if case.evaluator == "kitti_devkit" else RTOL
    for i, frame in enumerate(case.frames):
        assert table.n_valid[i] == case.n_valid[frame]
        for name, expected in case.per_frame[frame].items():
            value = table.values[names[name]][i]
            if name in ACCURACIES:
                assert value == pytest.approx(expected, abs=2 / case.n_valid[frame]), (frame, name)
            else:
                assert value == pytest.approx(expected, rel=rtol, nan_ok=True), (frame, name)
        if frame in case.scale:
            assert table.scale[i] == pytest.approx(case.scale[frame], rel=RTOL)
        if frame in case.shift:
            assert table.shift[i] == pytest.approx(case.shift[frame], rel=RTOL)
    for name, expected in case.mean.items():
        tolerance = {"abs": 2 / min(case.n_valid.values())} if name in ACCURACIES else {"rel": rtol, "nan_ok": True}
        assert table.values[names[name]].mean() == pytest.approx(expected, **tolerance)
    if case.printed_scale is not None:
        median = np.median(table.scale)
        assert (round(median, 3), round(np.std(table.scale / median), 3)) == case.printed_scale


@pytest.mark.golden
@pytest.mark.parametrize("name", realdata_golden()["depth_metrics"]["results"])
def test_meets_monodepth2_on_a_ground_plane(name: str, real_data: Path) -> None:
    expected = realdata_golden()["depth_metrics"]["results"][name]
    _, frame, source, scaled = name.rsplit("/", 4)[0].rsplit("/", 1)[-1], *name.split("/")[1:3], name.endswith("True")
    annotated = source == "annotated"
    rules = {"min_depth": 0.0, "max_depth": None} if annotated else {"crop": "garg"}
    protocol, kind = protocol_of(rules | {"scaling": "median" if scaled else "none"})
    if annotated:
        depth = annotated_map(real_data, int(frame))
    else:
        depth = velodyne_map(real_data, int(frame), lidar_x="vel_depth=True" in name)
    table = run_engine([depth], [prediction_map("ground_plane", (375, 1242), int(frame))], protocol, kind=kind)
    assert table.n_valid[0] == expected["n_pixels"]
    if scaled:
        assert table.scale[0] == pytest.approx(expected["median_ratio"], rel=1e-6)
    for metric, values in table.values.items():
        assert values[0] == pytest.approx(expected[metric], rel=1e-4), metric
