"""The frames that are looked at while a network trains, and their scores, which are the engine's."""

import dataclasses

import numpy as np
import pytest
import tiny_training as tiny

torch = pytest.importorskip("torch", reason="needs depthbench[train]")

from baselines.image_cache import load_image  # noqa: E402
from baselines.recipe import load_recipe  # noqa: E402
from baselines.validation import open_validation, validate  # noqa: E402
from benchmark.errors import TrainingError  # noqa: E402
from benchmark.io.ground_truth_hdf5 import read_hdf5  # noqa: E402


class Constant(torch.nn.Module):
    """A network that sees the same inverse depth everywhere."""

    def __init__(self, inverse: float) -> None:
        super().__init__()
        self.inverse = torch.nn.Parameter(torch.tensor(inverse))

    def forward(self, image):
        from baselines.networks.monodepth2_depth import DepthOutput

        return DepthOutput({0: self.inverse.expand(len(image), 1, *image.shape[2:])}, None, [])

    def inverse_depth(self, sigmoid):
        return sigmoid


@pytest.fixture
def data(tmp_path):
    return tiny.write_data(tmp_path / "data", scans=True)


def recipe_of(data, **validate):
    wanted = {"split": str(data / "few.txt"), "protocol": "kitti_eigen", "frames": 4, "every": 5, **validate}
    return load_recipe(str(tiny.write_recipe(data, changes={"validate": wanted})))


def test_nothing_is_asked_for(data, tmp_path):
    assert open_validation(load_recipe(str(tiny.write_recipe(data))), data, tmp_path / "v") is None


def test_more_frames_than_there_are_is_said(data, tmp_path, capsys):
    whole = open_validation(recipe_of(data, frames=9), data, tmp_path / "a")
    assert whole is not None
    assert len(whole.images) == 4
    assert capsys.readouterr().err == f"note: validate.frames is 9, {data / 'few.txt'} has 4: it takes all\n"


def test_all_frames_or_some_evenly(data, tmp_path):
    whole = open_validation(recipe_of(data), data, tmp_path / "a")
    assert whole is not None
    assert [frame.number for frame in whole.split.frames] == [1, 2, 3, 4]
    assert (whole.images.shape, whole.images.dtype) == ((4, *tiny.SIZE, 3), np.uint8)
    assert [setting.scaling for setting in whole.settings] == ["median"]
    some = open_validation(recipe_of(data, frames=2), data, tmp_path / "b")
    assert some is not None
    assert [frame.number for frame in some.split.frames] == [1, 4]
    assert len(some.truth) == 2
    path = data / "kitti_raw/2031_01_02/2031_01_02_drive_0007_sync/image_02/data/0000000004.png"
    assert np.array_equal(some.images[1], load_image(path, size=tiny.SIZE))


def test_the_scores_of_a_constant_by_hand(data, tmp_path):
    opened = open_validation(recipe_of(data), data, tmp_path / "a")
    assert opened is not None
    scores = validate(opened, Constant(0.25))
    truth = read_hdf5(tmp_path / "a" / "gt.h5")
    expected = []
    for i in range(4):
        depth = truth.dense(i).astype(np.float64)
        height, width = depth.shape
        crop = np.zeros_like(depth, bool)
        crop[int(0.40810811 * height) : int(0.99189189 * height), int(0.03594771 * width) : int(0.96405229 * width)] = True
        known = depth[crop & (depth > 1e-3) & (depth < 80)]
        expected.append(np.mean(np.abs(known - np.median(known)) / known))  # median scaling makes the constant the median
    assert scores["median/abs_rel"] == pytest.approx(np.mean(expected), rel=1e-6)
    assert set(scores) == {f"median/{name}" for name in ("abs_rel", "sq_rel", "rmse", "rmse_log", "a1", "a2", "a3")}


def test_frames_without_ground_truth_are_counted(data, tmp_path):
    opened = open_validation(recipe_of(data), data, tmp_path / "a")
    assert opened is not None
    whole = validate(opened, Constant(0.25))
    limits = dataclasses.replace(opened.settings[0].depth_range, max_m=0.01)  # nothing is as near
    nearer = dataclasses.replace(opened.settings[0], depth_range=limits)
    assert "median/unscored" not in whole
    scores = validate(opened._replace(settings=(nearer,)), Constant(0.25))
    assert scores["median/unscored"] == 4
    assert np.isnan(scores["median/abs_rel"])


def test_data_that_are_missing(data, tmp_path):
    (data / "more.txt").write_text((data / "few.txt").read_text().replace(" 1 l", " 77 l"))
    with pytest.raises(TrainingError, match=r"^validation on .*more\.txt: .*Or train with --no-validation$"):
        open_validation(recipe_of(data, split=str(data / "more.txt")), data, tmp_path / "v")
