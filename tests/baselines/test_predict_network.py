"""Disparities of a checkpoint: for a split, flipped, for images; ours, and one in the published layout."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_training as tiny
from kitti_tree import DATE, DRIVE

torch = pytest.importorskip("torch", reason="needs depthbench[train]")

from PIL import Image  # noqa: E402

from baselines.checkpoints import parts_of, save_parts  # noqa: E402
from baselines.infer import disparities  # noqa: E402
from baselines.networks import DEPTH_NETWORKS  # noqa: E402
from baselines.networks.interface import DepthNetwork, DepthOutput  # noqa: E402
from baselines.networks.monodepth2_depth import Monodepth2Depth  # noqa: E402
from baselines.panels import magma  # noqa: E402
from baselines.predict_network import open_network, predict_images, predict_split  # noqa: E402
from baselines.predict_network_poses import open_predictor  # noqa: E402
from benchmark.errors import DatasetError, InputError, OptionError, TrainingError  # noqa: E402
from benchmark.io.manifest import read_manifest  # noqa: E402


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_data(tmp_path_factory.mktemp("some data"))


@pytest.fixture(scope="module")
def network() -> Monodepth2Depth:
    torch.manual_seed(0)
    return Monodepth2Depth(width=0.25, scales=(0, 1)).eval()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, network: Monodepth2Depth) -> Path:
    """As the published folders are: no training.pth."""
    folder = tmp_path_factory.mktemp("published") / "mono_96x64"
    save_parts(folder, parts_of(network), height=64, width=96, use_stereo=False)
    return folder


def expected(network: Monodepth2Depth, path: Path, *, mirrored: bool = False) -> np.ndarray:
    """One image through the network, restated: Pillow's Lanczos, 1 / 255, the mirrored pass mirrored back."""
    image = np.asarray(Image.open(path).convert("RGB").resize((96, 64), Image.Resampling.LANCZOS))
    x = torch.tensor((image[:, ::-1] if mirrored else image).copy()).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        found = (0.01 + 9.99 * network(x).sigmoids[0])[0, 0].numpy()
    return found[:, ::-1] if mirrored else found


def image_of(data: Path, number: int) -> Path:
    return data / "kitti_raw" / DATE / DRIVE / "image_02" / "data" / f"{number:010d}.png"


def test_a_split_and_its_mirrored_images(data, network, checkpoint, tmp_path):
    # A bare array names its frames by a list of its own folder.
    split = tmp_path / "few.txt"
    split.write_text((data / "few.txt").read_text())
    made = predict_split(checkpoint, str(split), data, tmp_path / "a.npy", flipped=tmp_path / "b.npy", device="cpu", quiet=True)
    for name, mirrored in (("a", False), ("b", True)):
        maps = np.load(tmp_path / f"{name}.npy")
        assert (maps.shape, maps.dtype) == ((4, 64, 96), np.float32)
        for i, number in enumerate((1, 2, 3, 4)):
            np.testing.assert_allclose(maps[i], expected(network, image_of(data, number), mirrored=mirrored), rtol=1e-5)
    manifest = read_manifest(tmp_path / "a.yaml")
    assert (manifest.kind, manifest.method) == ("disparity", "mono_96x64")
    assert made.frames == 4
    assert made.text().startswith(f"{tmp_path}/a.npy: disparities of mono_96x64 on 4 frames of ")


def test_another_size_and_a_file_with_ids(data, checkpoint, tmp_path):
    predict_split(checkpoint, str(data / "few.txt"), data, tmp_path / "a.h5", size=(96, 128), device="cpu", quiet=True)
    assert open_network(checkpoint, size=(96, 128), device="cpu").size == (96, 128)
    with pytest.raises(OptionError, match="multiples of 32"):
        predict_split(checkpoint, str(data / "few.txt"), data, tmp_path / "b.h5", size=(100, 128), device="cpu", quiet=True)


def test_an_image_and_a_folder_of_images(data, network, checkpoint, tmp_path):
    photos = tmp_path / "my photos"
    photos.mkdir()
    ramp = np.linspace(0, 255, 150).astype(np.uint8)
    cv2.imwrite(str(photos / "grey.png"), np.tile(ramp, (100, 1)))  # a single channel
    cv2.imwrite(str(photos / "b.JPG"), np.dstack([np.tile(ramp, (100, 1))] * 3)[..., ::-1])
    (photos / "notes.txt").write_text("")
    made = predict_images(checkpoint, photos, tmp_path / "out", device="cpu", quiet=True)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "b_disp.npy", "b_disp.png", "grey_disp.npy", "grey_disp.png",
    ]  # fmt: skip
    assert made.frames == 2
    disparity = np.load(tmp_path / "out/grey_disp.npy")
    np.testing.assert_allclose(disparity, expected(network, photos / "grey.png"), rtol=1e-5)
    picture = cv2.imread(str(tmp_path / "out/grey_disp.png"))
    assert picture.shape == (100, 150, 3)  # as large as the photo
    large = cv2.resize(disparity, (150, 100), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(picture[..., ::-1] / 255, magma(large), atol=0.5 / 255 + 1e-6)
    predict_images(checkpoint, image_of(data, 3), tmp_path / "one", device="cpu", quiet=True)
    assert (tmp_path / "one/0000000003_disp.npy").is_file()


def test_images_that_cannot_be(checkpoint, tmp_path):
    with pytest.raises(OptionError, match="no such file; expected an image or a folder"):
        predict_images(checkpoint, tmp_path / "none", tmp_path / "out", quiet=True)
    with pytest.raises(OptionError, match="holds no image"):
        predict_images(checkpoint, tmp_path, tmp_path / "out", quiet=True)
    (tmp_path / "a.png").write_bytes(b"not a picture")
    with pytest.raises(DatasetError, match=r"a\.png"):
        predict_images(checkpoint, tmp_path / "a.png", tmp_path / "out", quiet=True)
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(OptionError, match=r"two images are called a, a\.jpg and a\.png, and their results would be one file"):
        predict_images(checkpoint, tmp_path, tmp_path / "out", quiet=True)
    cv2.imwrite(str(tmp_path / "b.png"), np.zeros((64, 96, 3), np.uint8))
    with pytest.raises(OptionError, match=r"a\.jpg.*: cannot be written"):
        predict_images(checkpoint, tmp_path / "b.png", tmp_path / "a.jpg", quiet=True)


def test_a_damaged_image_among_others(run, data, network, checkpoint, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    whole = image_of(data, 3).read_bytes()
    for name, raw in (("a.png", whole), ("b.png", whole[:300]), ("c.jpg", b""), ("d.png", whole), ("e.webp", b"RIFF")):
        (photos / name).write_bytes(raw)
    done = run("predict", checkpoint, "--images", photos, "--out", tmp_path / "out", "--device", "cpu")
    assert done.code == 1
    said = " ".join(done.err.split())
    assert f"{photos}/b.png: the PNG is cut short (300 bytes)" in said
    assert f"{photos}/c.jpg: neither a PNG nor a JPEG" in said
    assert f"2 of 4 images were left out, {tmp_path}/out holds what became of the others" in said
    assert "archive" not in said
    assert sorted(path.name for path in (tmp_path / "out").glob("*.npy")) == ["a_disp.npy", "d_disp.npy"]
    found = np.load(tmp_path / "out/d_disp.npy")
    np.testing.assert_allclose(found, expected(network, photos / "d.png"), rtol=1e-5)
    alone = run("predict", checkpoint, "--images", photos / "e.webp", "--out", tmp_path / "out", "--device", "cpu")
    assert alone.code == 1
    said = " ".join(alone.err.split())
    assert (
        "e.webp: neither a PNG nor a JPEG, it starts with b'RIFF' (4 bytes); expected a whole image, .png, .jpg, .jpeg" in said
    )
    assert "others" not in said
    for name in ("b.png", "c.jpg"):
        (photos / name).unlink()
    assert "left out, not .png, .jpg, .jpeg: e.webp" in predict_images(checkpoint, photos, tmp_path / "out", quiet=True).text()


def test_a_photo_that_says_how_it_is_turned(checkpoint, tmp_path):
    """EXIF orientation 6: stored lying, shown upright; the picture is as large as what is shown."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((100, 150, 3), np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    predict_images(checkpoint, tmp_path / "a.jpg", tmp_path / "out", device="cpu", quiet=True)
    assert cv2.imread(str(tmp_path / "out/a_disp.png")).shape == (150, 100, 3)


def test_what_cannot_be_predicted(data, checkpoint, tmp_path):
    few = str(data / "few.txt")
    with pytest.raises(OptionError, match="--flipped names the file of --out"):
        predict_split(checkpoint, few, data, tmp_path / "a.h5", flipped=tmp_path / "a.h5", device="cpu", quiet=True)
    with pytest.raises(TrainingError, match="does not exist; expected the folder of a checkpoint"):
        predict_split(tmp_path / "none", few, data, tmp_path / "a.h5", device="cpu", quiet=True)
    if not torch.cuda.is_available():
        with pytest.raises(OptionError, match="--device cuda: PyTorch finds no GPU"):
            predict_split(checkpoint, few, data, tmp_path / "a.h5", device="cuda", quiet=True)
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_that_does_not_say_its_size(network, tmp_path):
    folder = tmp_path / "bare"
    save_parts(folder, parts_of(network), height=64, width=96, use_stereo=False)
    state = torch.load(folder / "encoder.pth", weights_only=True)
    torch.save({key: value for key, value in state.items() if key not in {"height", "width"}}, folder / "encoder.pth")
    with pytest.raises(TrainingError, match="does not say the size of its training images; pass --size HxW"):
        open_network(folder, device="cpu")
    assert open_network(folder, size=(64, 96), device="cpu").size == (64, 96)


def test_depths_of_a_run_go_from_its_own_smallest_to_its_largest(run, data, tmp_path):
    """A checkpoint of a recipe with other depths than the field's is predicted with those."""
    changes = {"depth.min_depth": 1.0, "depth.max_depth": 50.0, "schedule.length": 1, "depth.bias": -30.0}
    recipe = tiny.write_recipe(data, "shallow", changes)
    assert run("retrain", recipe, "--data", data, "--out", tmp_path / "run", "--device", "cpu").code == 0
    done = run("predict", tmp_path / "run", "--split", data / "few.txt", "--data", data, "--out", tmp_path / "a.h5")
    assert done.code == 0, done.err
    network = open_network(tmp_path / "run", device="cpu")
    assert (network.depth.min_depth, network.depth.max_depth) == (1.0, 50.0)
    assert (network.name, network.training) == ("run", "all")
    found = disparities(network.depth, np.zeros((1, 64, 96, 3), np.uint8))
    np.testing.assert_allclose(found, 0.02, rtol=1e-4)


def test_evaluation_leaves_a_network_in_training(network):
    images = np.random.default_rng(0).integers(0, 256, (9, 64, 96, 3), dtype=np.uint8)
    alone = disparities(network, images[8:])
    network.train()
    together = disparities(network, images)
    assert network.training
    assert all(not name.endswith("running_mean") or not value.any() for name, value in network.state_dict().items())
    network.eval()
    np.testing.assert_allclose(together[8:], alone, rtol=1e-5)


@pytest.mark.parametrize(("options", "said"), [
    (["--split", "a", "--images", "b"], "one of --split and --images"), ([], "one of --split and --images"),
    (["--split", "a", "--depth", "3"], "not --depth"), (["--images", "b", "--flipped", "c.npy"], "--flipped goes with --split"),
])  # fmt: skip
def test_wrong_usage(run, checkpoint, tmp_path, options, said):
    done = run("predict", checkpoint, "--out", tmp_path / "a.npy", *options)
    assert done.code == 2
    assert said in done.err


class Grey(DepthNetwork):
    """A network of one's own: a number for brightness, under a file name of its own."""

    def __init__(self, *, gain: float) -> None:
        super().__init__()
        self.scales, self.gain = (0, 1), gain
        self.brightness = torch.nn.Conv2d(3, 1, 1)

    def forward(self, image: torch.Tensor) -> DepthOutput:
        full = torch.sigmoid(self.brightness(image))
        return DepthOutput({0: full, 1: torch.nn.functional.avg_pool2d(full, 2)}, None, [])

    def inverse_depth(self, sigmoid: torch.Tensor) -> torch.Tensor:
        return self.gain * sigmoid + 0.01

    def check_size(self, height: int, width: int, *, error: type[InputError] = TrainingError) -> None:
        if height % 2 or width % 2:
            raise error(f"{height}x{width}: expected even sides")


def test_a_network_of_ones_own_is_trained_saved_and_opened(run, data, tmp_path, monkeypatch):
    monkeypatch.setitem(DEPTH_NETWORKS, "grey", Grey)
    changes = {"depth": {"network": "grey", "gain": 2.0}, "schedule.length": 4, "data.resampler": "box"}
    recipe = tiny.write_recipe(data, "grey", changes)
    done = run("retrain", recipe, "--data", data, "--out", tmp_path / "run", "--device", "cpu")
    assert done.code == 0, done.err
    last = tmp_path / "run/models/last"
    assert sorted(path.name for path in last.iterdir()) == ["adam.pth", "brightness.pth", "training.pth"]
    network = open_network(tmp_path / "run", device="cpu")
    assert isinstance(network.depth, Grey)
    assert (network.size, network.resampler, network.training) == ((64, 96), "box", "all")
    learnt = torch.load(last / "brightness.pth", weights_only=True)
    assert torch.equal(network.depth.brightness.weight, learnt["weight"])
    assert len(torch.load(last / "adam.pth", weights_only=True)["state"]) == 2
    with pytest.raises(OptionError, match="expected even sides"):
        open_network(tmp_path / "run", size=(63, 96), device="cpu")
    monkeypatch.delitem(DEPTH_NETWORKS, "grey")
    with pytest.raises(TrainingError, match=r"its recipe's depth is .*'grey'.* known: monodepth2\. Use the version"):
        open_network(tmp_path / "run", device="cpu")


def test_a_width_that_the_shapes_do_not_tell(run, data, tmp_path):
    """A stem of 64 x 0.3 is 19 channels wide, and 19 / 64 makes other layers."""
    recipe = tiny.write_recipe(data, "narrow", {"depth.width": 0.3, "schedule.length": 1})
    assert run("retrain", recipe, "--data", data, "--out", tmp_path / "run", "--device", "cpu").code == 0
    network = open_network(tmp_path / "run", device="cpu")
    assert disparities(network.depth, np.zeros((1, 64, 96, 3), np.uint8)).shape == (1, 64, 96)
    with pytest.raises(TrainingError, match="holds no pose network"):
        open_predictor(tmp_path / "run", device="cpu")


@pytest.mark.parametrize("recipe", [None, "{", "[1]", "{}"])
def test_a_checkpoint_whose_recipe_is_damaged(network, tmp_path, recipe):
    save_parts(tmp_path / "w", parts_of(network), height=64, width=96, use_stereo=False)
    torch.save({"recipe": recipe} if recipe else {}, tmp_path / "w" / "training.pth")
    with pytest.raises(TrainingError, match=r"training\.pth: holds no recipe"):
        open_network(tmp_path / "w", device="cpu")
