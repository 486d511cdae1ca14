"""ImageNet weights: the first convolution of n images, the cache, the hash in the name, and what is said offline."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs depthbench[train]")

from archive_server import Site, serve  # noqa: E402

from baselines import imagenet  # noqa: E402
from baselines.imagenet import load_imagenet  # noqa: E402
from baselines.networks.resnet import ResnetEncoder  # noqa: E402
from benchmark.errors import OptionError, TrainingError  # noqa: E402
from datasets_prep.fetch import Patience  # noqa: E402

HASTE = Patience(attempts=2, pause_s=0.0)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def published() -> bytes:
    """A file as torchvision's: the keys of the ResNet without a prefix, in the format before PyTorch 1.6."""
    torch.manual_seed(1)
    state = {key: torch.rand_like(x) for key, x in ResnetEncoder().encoder.state_dict().items() if "batches" not in key}
    file = io.BytesIO()
    torch.save(state, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


@pytest.fixture
def name(published: bytes, monkeypatch: pytest.MonkeyPatch) -> str:
    """The published name of that file."""
    made = f"resnet18-{hashlib.sha256(published).hexdigest()[:8]}.pth"
    monkeypatch.setitem(imagenet.FILES, 18, made)
    return made


@pytest.fixture
def site(published: bytes, name: str) -> Iterator[Site]:
    with serve({f"/models/{name}": published}) as running:
        yield running


def state_of(content: bytes) -> dict[str, torch.Tensor]:
    return dict(torch.load(io.BytesIO(content), weights_only=True))


def test_a_file_gives_all_weights_the_classifier_included(published: bytes, tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    path.write_bytes(published)
    encoder = ResnetEncoder()
    source = load_imagenet(encoder, path)
    assert source == ("mine.pth", hashlib.sha256(published).hexdigest())
    loaded = encoder.encoder.state_dict()
    assert all(torch.equal(loaded[key], x) for key, x in state_of(published).items())
    assert "fc.weight" in state_of(published)


@torch.no_grad()
def test_two_equal_images_give_what_one_gave(published: bytes, tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    path.write_bytes(published)
    one, two = (ResnetEncoder(images=n).double().eval() for n in (1, 2))
    for encoder in (one, two):
        load_imagenet(encoder, path)
    assert torch.equal(two.encoder.conv1.weight[:, :3], one.encoder.conv1.weight / 2)
    assert torch.equal(two.encoder.conv1.weight[:, 3:], one.encoder.conv1.weight / 2)
    image = torch.rand(1, 3, 64, 64, dtype=torch.float64)
    torch.testing.assert_close(two(torch.cat((image, image), 1))[0], one(image)[0])


def test_it_is_downloaded_once_into_the_folder_of_torch_hub(site: Site, name: str, tmp_path: Path) -> None:
    for _ in range(2):
        assert load_imagenet(ResnetEncoder(), base_url=f"{site.url}/models/", patience=HASTE).file == name
    left = sorted(path.name for path in (tmp_path / "home" / "hub" / "checkpoints").iterdir())
    assert left == [name.replace(".pth", ".lock"), name]
    assert len(site.requests) == 1


def test_ranks_that_ask_at_once_download_it_once(site: Site, name: str, tmp_path: Path) -> None:
    encoders = [ResnetEncoder() for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(lambda one: load_imagenet(one, base_url=f"{site.url}/models", patience=HASTE), encoders))
    assert len(set(made)) == 1
    assert len(site.requests) == 1


def test_an_address(site: Site, name: str) -> None:
    assert load_imagenet(ResnetEncoder(), f"{site.url}/models/{name}", patience=HASTE).file == name


def test_a_file_whose_hash_is_not_that_of_its_name(published: bytes, tmp_path: Path) -> None:
    path = tmp_path / "resnet18-f37072fd.pth"
    path.write_bytes(published)
    with pytest.raises(TrainingError, match=r"has the sha256 \w{64}, which should begin with f37072fd as its name says"):
        load_imagenet(ResnetEncoder(), path)


def test_offline_it_says_where_the_file_belongs(name: str, tmp_path: Path) -> None:
    with pytest.raises(TrainingError) as caught:
        load_imagenet(ResnetEncoder(), base_url="http://127.0.0.1:9/models", patience=HASTE)
    text = str(caught.value)
    assert str(tmp_path / "home" / "hub" / "checkpoints" / name) in text
    assert "--imagenet FILE" in text
    assert "`encoders: scratch`" in text
    assert "\n" not in text


def test_a_missing_file_on_the_server(site: Site) -> None:
    with pytest.raises(TrainingError, match=r"other\.pth: the server answered 404 .* Check the address\. Put the file there"):
        load_imagenet(ResnetEncoder(), f"{site.url}/other.pth", patience=HASTE)


def test_other_networks_and_files_are_refused(published: bytes, tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    path.write_bytes(published)
    with pytest.raises(
        TrainingError, match=r"is not torchvision's ResNet-50: it lacks \d+ \(.*Expected a file such as resnet50-0676ba61\.pth"
    ):
        load_imagenet(ResnetEncoder(50), path)
    with pytest.raises(OptionError, match=r"width 1, not 0\.5"):
        load_imagenet(ResnetEncoder(width=0.5), path)
    with pytest.raises(
        TrainingError, match=r"nowhere\.pth is not a file; expected ImageNet weights, such as torchvision's resnet18-"
    ):
        load_imagenet(ResnetEncoder(), tmp_path / "nowhere.pth")


def test_the_names_are_torchvisions() -> None:
    assert imagenet.FILES == {18: "resnet18-f37072fd.pth", 50: "resnet50-0676ba61.pth"}
    assert imagenet.HASHED.fullmatch("resnet50-11ad3fa6.pth")
