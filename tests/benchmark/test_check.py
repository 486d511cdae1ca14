"""The prediction linter: every defect on a file made for it, no alarm on good files, and what the command says."""

import dataclasses
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import lint_cases as cases
import lint_streets
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lint_cases import found_in
from numpy.typing import NDArray
from real_ground_truth import ground_truth_map

from benchmark import check as linter
from benchmark.checks import contest, samples
from benchmark.checks.defects import DEFECTS, inspect
from benchmark.checks.finding import OVERRULABLE, Finding
from benchmark.io.ground_truth import GroundTruth, Header, assemble, sparsify
from benchmark.io.predictions import ArrayPredictions
from benchmark.matching import match
from benchmark.protocol import load_protocol
from benchmark.splits import Frame, Split

Stack = NDArray[Any]
WARNED = {"prior", "constant", "quantised", "eight_bit", "saturated", "scale_varies"} | {
    "factor_missing", "factor_doubled", "times_256"
}  # fmt: skip
# Maps of one value are the same map for every frame too.
ALSO = {"constant": {"prior"}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the ground truth of the 60 frames."""
    path = tmp_path_factory.mktemp("lint")
    cases.write_truth(path / "gt.h5")
    return path


def inspected(
    truth: GroundTruth, split: Split, array: Stack, *, protocol: str = "kitti_eigen", **options: Any
) -> dict[str, Finding]:
    predictions = ArrayPredictions(np.ascontiguousarray(array, np.float32))
    joined = match(truth, predictions, split=split, pred_split=split)
    asked = {"kind": "disparity", "scalings": ("median", "none"), **options}
    return {f.defect: f for f in inspect(truth, predictions, joined, load_protocol(protocol), **asked)}


def test_there_is_a_bad_file_for_every_defect() -> None:
    assert list(cases.BAD) == list(linter.TITLES)


@pytest.mark.parametrize("defect", cases.BAD)
def test_a_bad_file_is_found_and_nothing_else_is(folder: Path, defect: str) -> None:
    findings = cases.findings(folder, cases.BAD[defect])
    assert list(findings) == list(linter.TITLES)
    expected = "warn" if defect in WARNED else "refuse"
    others = dict.fromkeys(ALSO.get(defect, set()), "warn")
    assert found_in(findings) == {defect: expected, **others}, findings[defect].message


MORE_BAD: dict[str, tuple[str, cases.BadFile]] = {
    "rows and columns swapped": ("transposed", cases.BadFile("", lambda x: np.swapaxes(x, 1, 2))),
    "a transposed square": ("transposed", cases.BadFile("", lambda x: np.swapaxes(_square(x), 1, 2))),
    "disparity declared as depth": ("kind", cases.BadFile("", lambda x: x, "depth")),
    "disparity of another unit as depth": ("kind", cases.BadFile("", lambda x: 37 * x, "depth")),
    "inverse depth as depth": ("kind", cases.BadFile("", lambda x: x, "depth")),
    "one frame back": ("shifted", cases.BadFile("", lambda x: np.roll(x, -1, axis=0))),
    "two frames on": ("shifted", cases.BadFile("", lambda x: np.roll(x, 2, axis=0))),
    "the list backwards": ("shuffled", cases.BadFile("", lambda x: x[::-1])),
    "drives in another order": ("shuffled", cases.BadFile("", lambda x: np.roll(x, 15, axis=0))),
    "every drive backwards": (
        "shuffled", cases.BadFile("", lambda x: x.reshape(12, 5, *x.shape[1:])[:, ::-1].reshape(x.shape))
    ),
    "inf": ("not_finite", cases.BadFile("", lambda x: np.where(x > 0.3, np.inf, x).astype(np.float32))),
    "one negative frame": ("negated", cases.BadFile("", lambda x: np.concatenate([x[:-1], -x[-1:]]))),
    "a channel axis": ("form", cases.BadFile("", lambda x: x[:, None])),
    "doubles as integers": ("form", cases.BadFile("", lambda x: np.rint(x * 256).astype(np.uint16))),
    "mirrored depth": ("mirrored", cases.BadFile("", lambda x: 1 / x[:, :, ::-1], "depth")),
    "a mirrored file of another scale per frame": (
        "mirrored",
        cases.BadFile("", lambda x: x[:, :, ::-1] * np.linspace(0.5, 1.5, 60, dtype=np.float32)[:, None, None]),
    ),
}  # fmt: skip


def _square(x: Stack) -> Stack:
    return x[:, :, (np.arange(48) * 160 / 48 + 1.5).astype(int)]


@pytest.mark.parametrize("name", MORE_BAD)
def test_more_bad_files_are_refused_for_one_reason(folder: Path, name: str) -> None:
    defect, case = MORE_BAD[name]
    refused = [f for f, verdict in found_in(cases.findings(folder, case)).items() if verdict == "refuse"]
    assert refused == [defect]


@pytest.mark.parametrize("defect", ["mirrored", "upside_down", "kind", "transposed", "shifted", "shuffled"])
@pytest.mark.parametrize("error", [0.0, 0.2, 0.35])
def test_bad_files_of_better_and_worse_networks(folder: Path, defect: str, error: float) -> None:
    """0.35 is an abs_rel of about 0.3; an order is beyond recognition then, but not unsuspected."""
    rows, columns = (
        ((np.arange(n) + 0.5) * m / n).astype(int) for n, m in zip(cases.PREDICTED, lint_streets.SIZE, strict=True)
    )
    waves = np.array([lint_streets.waves(900 + i, cases.PREDICTED) for i in range(60)])
    network = np.exp(error * 2**0.5 * waves) / cases.depth()[:, rows][:, :, columns]
    case = cases.BAD[defect]
    found = cases.findings(folder, _with(case, network.astype(np.float32)))
    assert found[defect].verdict == "refuse" or (error > 0.3 and defect in {"shifted", "shuffled"}), found[defect].message


def _with(case: cases.BadFile, network: Stack) -> cases.BadFile:
    return case._replace(spoil=lambda _: case.spoil(network))


# Good files: (N, h, w) disparities from (N, h, w) depths; `median` is the map that a median prior would have.


def _field(n: int, seed: int) -> Stack:
    return np.array([lint_streets.waves(seed + i) for i in range(n)])


def _ground(clip: float) -> Stack:
    y = (np.arange(lint_streets.SIZE[0])[:, None] + 0.5) / lint_streets.SIZE[0] - lint_streets.HORIZON
    plane = lint_streets.HEIGHT * lint_streets.FOCAL / np.maximum(y, 1e-6)
    return np.broadcast_to(1 / np.minimum(plane, clip), lint_streets.SIZE)


def _drifting(n: int) -> Stack:
    return np.random.default_rng(0).lognormal(0, 0.3, n)[:, None, None]


def _blurred(depth: Stack) -> Stack:
    coarse = depth[:, 4::8, 4::8]
    return np.repeat(np.repeat(coarse, 8, axis=1), 8, axis=2)


GOOD: dict[str, Callable[[Stack, Stack], Stack]] = {
    "exact": lambda d, _: 1 / d,
    "a good network": lambda d, _: np.exp(0.1 * _field(len(d), 0)) / d,
    "a drifting scale": lambda d, _: np.exp(0.15 * _field(len(d), 1)) / d * _drifting(len(d)),
    "abs_rel 0.3": lambda d, m: np.exp(0.35 * _field(len(d), 2)) / np.sqrt(d * m) * _drifting(len(d)),
    "nearly a prior": lambda d, m: np.exp(0.3 * _field(len(d), 3)) / (d**0.25 * m**0.75),
    "low contrast": lambda d, _: d**-0.3,
    "disparity with an offset": lambda d, _: 1 / d + 0.1,
    "low resolution": lambda d, _: 1 / _blurred(d),
    "noisy pixels": lambda d, _: np.random.default_rng(1).lognormal(0, 0.4, d.shape) / d,
    "far objects missed": lambda d, _: 1 / np.minimum(d, 30 + 2 * _field(len(d), 4)),
    "a tilted bias": lambda d, _: np.exp(np.linspace(-0.3, 0.3, d.shape[2])) / d,
    "half precision": lambda d, _: (np.exp(0.1 * _field(len(d), 5)) / d).astype(np.float16),
    "depth in 1/256 m": lambda d, _: 1 / (np.rint(256 * d * np.exp(0.1 * _field(len(d), 6))) / 256),
}  # fmt: skip
# Nothing of these is refused; what they are is said.
WEAK: dict[str, tuple[Callable[[Stack, Stack], Stack], set[str]]] = {
    "median map": (lambda d, m: np.broadcast_to(1 / m, d.shape), {"prior"}),
    "median map, mirrored": (lambda d, m: np.broadcast_to(1 / m[:, ::-1], d.shape), {"prior"}),
    "median map of another scale per frame": (lambda d, m: _drifting(len(d)) / m, {"prior"}),
    "ground plane to 80 m": (lambda d, _: np.broadcast_to(_ground(80), d.shape), {"prior"}),
    "ground plane to 20 m": (lambda d, _: np.broadcast_to(_ground(20), d.shape), {"prior"}),
    "constant": (lambda d, _: np.full(d.shape, 0.1), {"prior", "constant"}),
    "median map with noise": (lambda d, m: np.exp(0.3 * _field(len(d), 7)) / m, {"shuffled"}),
    "median map with much noise": (lambda d, m: np.exp(0.7 * _field(len(d), 8)) / m, {"shuffled"}),
    "smooth noise": (lambda d, _: np.exp(0.5 * _field(len(d), 9)), {"shuffled"}),
    "noise": (lambda d, _: np.random.default_rng(2).uniform(0.02, 0.5, d.shape), {"shuffled"}),
}  # fmt: skip


@cache
def streets(name: str) -> tuple[Split, Stack, GroundTruth]:
    split = {"kitti_eigen": lint_streets.eigen, "small": lint_streets.small}[name]()
    if name == "kitti_eigen":  # a quarter of it, of every drive
        split = dataclasses.replace(split, frames=split.frames[::4])
    maps = lint_streets.streets(split)
    return split, np.array(maps), lint_streets.truth_of(split, maps)


@pytest.mark.parametrize("where", ["kitti_eigen", "small"])
@pytest.mark.parametrize("name", GOOD)
def test_no_alarm_on_a_good_file(where: str, name: str) -> None:
    split, depth, truth = streets(where)
    predicted = GOOD[name](depth, np.median(depth, axis=0))
    assert found_in(inspected(truth, split, predicted)) == {}
    as_depth = inspected(truth, split, 7 / predicted, kind="depth", flipped=_array(1.02 * 7 / predicted))
    assert found_in(as_depth) == {}


def _array(values: Stack) -> ArrayPredictions:
    return ArrayPredictions(values.astype(np.float32))


@pytest.mark.parametrize("where", ["kitti_eigen", "small"])
@pytest.mark.parametrize("name", WEAK)
def test_a_weak_method_is_scored_whatever_it_is(where: str, name: str) -> None:
    split, depth, truth = streets(where)
    make, allowed = WEAK[name]
    found = found_in(inspected(truth, split, make(depth, np.median(depth, axis=0))))
    assert "refuse" not in found.values()
    assert set(found) <= allowed
    assert ("prior" in found) == ("prior" in allowed)


@pytest.mark.parametrize("seed", range(6))
def test_a_prior_of_few_drives_is_not_mirrored_by_chance(seed: int) -> None:
    """Streets without a nearer side, and the median map of one drive, which has one."""
    split, depth, _ = streets("small")
    random = np.random.default_rng(seed)
    turned = np.array([m[:, ::-1] if (i // 5 + seed) % 2 else m for i, m in enumerate(depth)])
    truth = lint_streets.truth_of(split, list(turned))
    drive = int(random.integers(12))
    prior = np.median(turned[5 * drive : 5 * drive + 5], axis=0)
    for jitter in (0.0, 0.02, 0.2):
        predicted = np.exp(jitter * _field(60, 50 * seed)) / prior
        assert "refuse" not in found_in(inspected(truth, split, predicted)).values()


def test_a_standing_car_has_no_order() -> None:
    """Frames that all look alike fit each other's predictions, and nothing is said about that."""
    frames = tuple(Frame("2031_05_01_drive_0001_sync", "image_02", i) for i in range(40))
    split = Split("custom/test", "kitti_raw", "test", True, frames, "0" * 64, "made up")
    depth = np.repeat(lint_streets.street(frames[0].drive, 0)[None], 40, axis=0)
    truth = lint_streets.truth_of(split, list(depth))
    assert found_in(inspected(truth, split, np.exp(0.1 * _field(40, 0)) / depth)) == {}


def test_few_frames_refuse_nothing_that_rests_on_statistics() -> None:
    split, depth, _ = streets("small")
    few = dataclasses.replace(split, frames=split.frames[::12])
    maps = list(depth[::12])
    found = inspected(lint_streets.truth_of(few, maps), few, 1 / np.array(maps)[:, :, ::-1])
    assert found_in(found) == {"mirrored": "warn"}
    assert found["mirrored"].evidence["wins"] == 5


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(factor=st.floats(1e-3, 1e3), defect=st.sampled_from([*OVERRULABLE[:-1], "prior", "eight_bit", "saturated"]))
def test_a_factor_changes_no_verdict(folder: Path, factor: float, defect: str) -> None:
    case = cases.BAD[defect]
    scaled = case._replace(spoil=lambda x: (case.spoil(x) * np.float32(factor)).astype(np.float32))
    assert found_in(cases.findings(folder, scaled)) == found_in(cases.findings(folder, case))


@given(power=st.floats(0.5, 2))
@settings(max_examples=8)
def test_another_contrast_is_no_other_kind(power: float) -> None:
    split, depth, truth = streets("small")
    assert found_in(inspected(truth, split, depth**-power)) == {}


def test_a_ground_plane_cannot_be_mirrored() -> None:
    split, depth, truth = streets("small")
    found = inspected(truth, split, np.broadcast_to(_ground(80), depth.shape))["mirrored"]
    assert (found.verdict, found.evidence["wins"], found.evidence["losses"]) == ("fine", 0, 0)
    assert found.message.startswith("undecidable")


@pytest.mark.parametrize(("factor", "scaling", "kind", "defect"), [
    (5.4, "stereo", "disparity", None),
    (1, "stereo", "disparity", "factor_doubled"),
    (5.4**2, "stereo", "disparity", "factor_missing"),
    (5.4, "none", "disparity", None),
    (1, "factor=1", "inverse_depth", None),
    (5.4, "none", "inverse_depth", "factor_missing"),
    (5.4, "median", "inverse_depth", None),
    (1 / 1.3, "none", "inverse_depth", None),
    (256, "none", "inverse_depth", "times_256"),
    (30, "none", "inverse_depth", None),
])  # fmt: skip
def test_factors_matter_to_fixed_scalings_only(factor: float, scaling: str, kind: str, defect: str | None) -> None:
    """`factor` is how many times the predicted depth is too small."""
    split, depth, truth = streets("small")
    found = found_in(inspected(truth, split, factor / depth, kind=kind, scalings=(scaling, "median")))
    assert found == ({defect: "warn"} if defect else {})


def test_holes_that_a_protocol_fills_are_no_defect() -> None:
    split, depth, truth = streets("small")
    holes = depth.astype(np.float32)
    holes[:, ::3, ::2] = 0
    found = inspected(truth, split, holes, kind="depth", protocol="kitti_devkit")
    assert found_in(found) == {}
    scanned = linter.scan(holes)
    assert (scanned.frames, scanned.zero, scanned.negative) == (60, 60, 0)


def test_frames_are_sampled_where_drives_meet() -> None:
    split, depth, truth = streets("small")
    joined = match(truth, _array(depth), split=split, pred_split=split)
    chosen = samples.choose_frames(joined)
    assert len(chosen) == len(set(chosen)) == samples.FRAMES
    assert sum(i % 5 in (0, 4) for i in chosen) >= samples.AT_SEAMS
    split, depth, truth = streets("kitti_eigen")
    joined = match(truth, _array(depth), split=split, pred_split=split)
    chosen = samples.choose_frames(joined)
    assert len(chosen) == samples.FRAMES
    assert len({split.frames[i].drive for i in chosen}) >= 14


def test_misfit_by_hand() -> None:
    gt = np.log([[1.0, 2.0, 4.0, 8.0, 16.0]])
    assert contest.misfit(gt + 3, gt) == pytest.approx([0])
    one_off = gt + np.array([[0, 0, 0, 0, 0.5]])
    assert contest.misfit(one_off, gt) == pytest.approx([0.1])
    assert contest.misfit(one_off * [[1, 1, 1, 1, 99]], gt) == pytest.approx([contest.CAP / 5])
    holes = np.where([[True, False, False, False, False]], np.nan, one_off)
    assert contest.misfit(holes, gt) == pytest.approx([0.125])


@pytest.mark.parametrize(
    ("wins", "losses", "convincing"), [(8, 0, False), (9, 0, True), (14, 2, True), (13, 3, False), (32, 0, True)]
)
def test_chance_is_no_argument(wins: int, losses: int, convincing: bool) -> None:
    own = np.array([1.0] * 32)
    other = np.array([0.5] * wins + [2.0] * losses + [1.0] * (32 - wins - losses))
    found = contest.contest(own, other, np.full(32, 10.0))
    assert (found.wins, found.losses, found.frames) == (wins, losses, 32)
    assert found.convincing == convincing
    assert contest.contest(own, other, np.full(32, 0.55)).wins == 0, "a reading that explains no more than a constant"
    nothing = np.full(32, np.nan)
    assert not contest.contest(nothing, nothing, nothing).convincing


@pytest.mark.golden
def test_real_frames_as_they_are_and_mirrored(real_data: Path) -> None:
    """Annotated depth, filled along the rows, against the LiDAR maps of the same frames: three are too few to refuse."""
    frames = (5, 25, 45)
    header = Header("kitti_raw", "custom/test", "0" * 64, "lidar_forward_x", tuple(f"d/image_02/{i:010d}" for i in frames))
    truth = assemble(header, [sparsify([ground_truth_map(real_data, "velo_x", i) for i in frames], np.eye(3))])
    split = Split(
        "custom/test", "kitti_raw", "test", True, tuple(Frame("d", "image_02", i) for i in frames), "0" * 64, "made up"
    )
    predicted = np.array([1 / _filled(ground_truth_map(real_data, "annotated", i)) for i in frames])
    found = inspected(truth, dataclasses.replace(split, dataset="kitti_raw"), predicted)
    assert found_in(found) == {}
    for defect in ("mirrored", "upside_down", "kind", "transposed"):
        assert (found[defect].evidence["wins"], found[defect].evidence["losses"]) == (0, 3)
        assert found[defect].evidence["own"] < 0.06
    turned = inspected(truth, split, predicted[:, :, ::-1])
    assert (turned["mirrored"].evidence["wins"], turned["mirrored"].verdict) == (3, "fine")


def _filled(depth: Stack) -> Stack:
    at = np.where(depth > 0, np.arange(depth.shape[1]), 0)
    filled = np.take_along_axis(depth, np.maximum.accumulate(at, axis=1), axis=1)
    return np.where(filled > 0, filled, 20).astype(np.float32)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    side=st.sampled_from([(2, 2), (7, 9), (60, 40), (48, 160)]),
    special=st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -1.0, 1e-45, 3e38]),
    share=st.sampled_from([0.0, 0.01, 0.5, 1.0]),
)
def test_any_values_get_a_finding_for_every_defect(seed: int, side: tuple[int, int], special: float, share: float) -> None:
    split, _, truth = streets("small")
    random = np.random.default_rng(seed)
    array = random.uniform(0.01, 1, (60, *side))
    array[random.random(array.shape) < share] = special
    for protocol in ("kitti_eigen", "kitti_devkit"):
        found = inspected(truth, split, array, protocol=protocol, kind=("depth", "disparity")[seed % 2], flipped=_array(array))
        assert list(found) == list(DEFECTS)
