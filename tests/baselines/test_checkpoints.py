"""Checkpoints in the published layout, both ways: keys in both directions, old formats, damaged and hostile files."""

from __future__ import annotations

import json
import os
import pickle
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs depthbench[train]")

from seeded_parameters import fill, image, parameter  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from baselines.adam import adam_state, load_adam  # noqa: E402
from baselines.atomic_folder import atomic_folder  # noqa: E402
from baselines.checkpoints import PARTS, _write, depth_options, load_parts, parts_of, save_parts  # noqa: E402
from baselines.networks import Monodepth2Depth, PoseCNNPose, SeparatePose, SharedPose  # noqa: E402
from baselines.state_files import read_state  # noqa: E402
from benchmark.errors import TrainingError  # noqa: E402

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "monodepth2_networks.json").read_text("utf-8"))
NARROW = 1 / 16
SIZE: dict[str, Any] = {"height": 64, "width": 96, "use_stereo": True}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def networks(**options: Any) -> tuple[Monodepth2Depth, SeparatePose]:
    return Monodepth2Depth(width=NARROW, **options), SeparatePose(width=NARROW)


def parts(**options: Any) -> dict[str, nn.Module]:
    return parts_of(*networks(**options))


def test_every_child_of_a_network_is_a_part() -> None:
    other = nn.Module()
    other.blocks, other.encoder, other.depth = (nn.Conv2d(3, 3, 1) for _ in range(3))
    assert list(parts_of(other, SeparatePose(width=NARROW))) == ["encoder", "depth", "pose_encoder", "pose", "blocks"]
    with pytest.raises(ValueError, match=r"names of their own, .*: \['blocks', 'encoder', 'depth', 'depth'\]"):
        parts_of(other, nn.ModuleDict({"depth": nn.Conv2d(3, 3, 1)}))
    other.factor = nn.Parameter(torch.ones(1))
    with pytest.raises(ValueError, match=r"no parameters beside them: \['factor'\]"):
        parts_of(other)


def saved(folder: Path, **options: Any) -> dict[str, nn.Module]:
    made = parts(**options)
    save_parts(folder, made, **SIZE)
    return made


def rewrite(path: Path, content: object, **how: Any) -> None:
    torch.save(content, path, **how)


def same(a: nn.Module, b: nn.Module) -> bool:
    first, second = a.state_dict(), b.state_dict()
    return list(first) == list(second) and all(torch.equal(first[key], second[key]) for key in first)


def trained(parts: dict[str, nn.Module], *, steps: int = 2, lr: float = 1e-3, **options: Any) -> torch.optim.Adam:
    """An Adam after some steps, with gradients for everything but the classifiers."""
    named = [(f"{name}.{key}", x) for name, part in parts.items() for key, x in part.named_parameters()]
    optimizer = torch.optim.Adam([x for _, x in named], lr=lr, **options)
    for _ in range(steps):
        for name, x in named:
            x.grad = None if ".fc." in name else torch.randn_like(x)
        optimizer.step()
    return optimizer


def test_what_is_written_loads_again(tmp_path: Path) -> None:
    written = saved(tmp_path / "weights_0", mask_sources=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["weights_0"]
    assert sorted(path.name for path in (tmp_path / "weights_0").iterdir()) == sorted(f"{name}.pth" for name in PARTS)
    new = parts(mask_sources=2)
    assert list(new) == list(PARTS)
    assert not same(new["encoder"], written["encoder"])
    loaded = load_parts(tmp_path / "weights_0", new)
    assert loaded == (64, 96, True, [])
    assert all(same(new[name], written[name]) for name in PARTS)


def test_encoder_holds_the_three_settings_as_plain_values(tmp_path: Path) -> None:
    written = saved(tmp_path / "w")
    content = torch.load(tmp_path / "w" / "encoder.pth", weights_only=True)
    assert list(content) == [*written["encoder"].state_dict(), "height", "width", "use_stereo"]
    assert [content[key] for key in ("height", "width", "use_stereo")] == [64, 96, True]
    assert list(torch.load(tmp_path / "w" / "pose.pth", weights_only=True)) == [
        f"net.{n}.{k}" for n in range(4) for k in ("weight", "bias")
    ]


@torch.no_grad()
def test_a_published_checkpoint_gives_the_golden_disparity(tmp_path: Path) -> None:
    """A folder built from the published tables of keys and shapes alone, in the format of PyTorch 0.4.1."""
    tables = {"encoder": "encoder_resnet18", "depth": "depth_decoder_resnet18"}
    tables |= {"pose_encoder": "pose_encoder_resnet18", "pose": "pose_decoder_resnet18"}
    for name, table in tables.items():
        shapes = GOLDEN["parts"][table]
        state: dict[str, Any] = {
            key: torch.from_numpy(np.asarray(parameter(key, shape))).float()
            for key, shape in shapes.items()
            if not key.endswith("num_batches_tracked")
        }
        extra = {"height": 192, "width": 640, "use_stereo": False} if name == "encoder" else {}
        rewrite(tmp_path / f"{name}.pth", state | extra, _use_new_zipfile_serialization=False)
    depth, pose = Monodepth2Depth(), SeparatePose()
    loaded = load_parts(tmp_path, parts_of(depth, pose))
    assert loaded[:3] == (192, 640, False)
    assert loaded.notes == [
        f"{name}.pth: 20 num_batches_tracked are missing and stay as they were" for name in ("encoder", "pose_encoder")
    ]
    sigmoid = depth.eval()(image((1, 3, 64, 96)).float()).sigmoids[0]
    expected = GOLDEN["models"]["monodepth2_depth_resnet18"]["outputs"]["disp_sigmoid_scale0"]
    np.testing.assert_allclose(sigmoid.flatten()[expected["probe_indices"]], expected["probe_values"], rtol=1e-4)


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("zipped", [False, True])
def test_prefixes_and_the_format_before_1_6(prefix: str, zipped: bool, tmp_path: Path) -> None:
    depth, _ = networks()
    for name, part in parts_of(depth).items():
        state: dict[str, Any] = {f"{prefix}{key}": x for key, x in part.state_dict().items()}
        rewrite(tmp_path / f"{name}.pth", state, _use_new_zipfile_serialization=zipped)
    assert zipfile.is_zipfile(tmp_path / "encoder.pth") == zipped
    other, _ = networks()
    assert load_parts(tmp_path, parts_of(other)) == (None, None, None, [])
    assert same(other, depth)
    assert depth_options(tmp_path) == {"layers": 18, "width": NARROW, "scales": (0, 1, 2, 3)}


def test_parts_that_are_not_asked_for_are_named(tmp_path: Path) -> None:
    saved(tmp_path / "w")
    assert load_parts(tmp_path / "w", parts_of(networks()[0])).notes == ["not needed: pose_encoder.pth, pose.pth"]


def test_another_network_is_refused_with_both_lists_and_nothing_changes(tmp_path: Path) -> None:
    saved(tmp_path / "w")
    deep = parts_of(Monodepth2Depth(layers=50, width=NARROW))
    before = {key: x.clone() for key, x in deep["encoder"].state_dict().items()}
    with pytest.raises(TrainingError) as caught:
        load_parts(tmp_path / "w", deep)
    text = str(caught.value)
    # 53 convolutions and normalisations instead of 20, of 5 keys but for the counters.
    assert f"encoder.pth lacks {33 * 5} (encoder.layer1.0.conv3.weight, encoder.layer1.0.bn3.weight, " in text
    assert text.count("layer1.0.") >= 8
    assert f" and {33 * 5 - 10} more)" in text
    assert "has other shapes" in text
    assert "encoder.layer1.0.conv1.weight 4x4x3x3 instead of 4x4x1x1" in text
    assert "depth.pth has other shapes" in text
    assert "\n" not in text
    assert all(torch.equal(x, before[key]) for key, x in deep["encoder"].state_dict().items())


def test_what_a_file_has_besides_is_refused_too(tmp_path: Path) -> None:
    saved(tmp_path / "w")
    few = parts_of(Monodepth2Depth(width=NARROW, scales=(0, 1)))
    with pytest.raises(
        TrainingError, match=r"depth\.pth has besides 4 \(decoder\.12\.conv\.weight, .*decoder\.13\.conv\.bias\)"
    ):
        load_parts(tmp_path / "w", few)


def test_a_non_tensor_in_the_place_of_one_is_refused(tmp_path: Path) -> None:
    written = saved(tmp_path / "w")
    state = written["depth"].state_dict()
    rewrite(
        tmp_path / "w" / "depth.pth",
        state | {"decoder.0.conv.conv.bias": 3, "decoder.10.conv.bias": torch.zeros(1).to_sparse()},
    )
    with pytest.raises(TrainingError, match=r"bias a int instead of 16, decoder\.10\.conv\.bias a tensor of .*sparse_coo"):
        load_parts(tmp_path / "w", parts())


def test_the_options_of_a_checkpoint_without_a_recipe(tmp_path: Path) -> None:
    for layers, width, scales in ((18, 0.5, (0, 1)), (50, 0.25, (2, 0)), (18, 1.0, (3, 0))):
        options = {"layers": layers, "width": width, "scales": scales}
        save_parts(tmp_path / "w", parts_of(Monodepth2Depth(**options)), **SIZE)
        assert depth_options(tmp_path / "w") == options
        load_parts(tmp_path / "w", parts_of(Monodepth2Depth(**options)))
    save_parts(tmp_path / "v", {"encoder": PoseCNNPose(width=NARROW).pose, "depth": SharedPose(width=NARROW).pose}, **SIZE)
    with pytest.raises(TrainingError, match=r"not a Monodepth2 checkpoint: .*encoder\.pth has 16 \(pose_conv\.weight, "):
        depth_options(tmp_path / "v")


def test_missing_folders_and_files(tmp_path: Path) -> None:
    with pytest.raises(
        TrainingError, match=r"nowhere does not exist; expected the folder of a checkpoint, with encoder\.pth, "
    ):
        load_parts(tmp_path / "nowhere", parts())
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match="file is not a folder"):
        load_parts(tmp_path / "file", parts())
    save_parts(tmp_path / "w", parts_of(networks()[0]), **SIZE)
    with pytest.raises(TrainingError, match=r"holds depth\.pth, encoder\.pth; .* pose_encoder\.pth, pose\.pth are missing"):
        load_parts(tmp_path / "w", parts())


class Harmful:
    def __reduce__(self) -> Any:
        return os.system, ("touch harm",)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_hostile_file_is_refused_and_not_run(zipped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rewrite(tmp_path / "x.pth", {"a": Harmful()}, _use_new_zipfile_serialization=zipped)
    with pytest.raises(TrainingError, match=r"x\.pth asks for \w+\.system; expected tensors .*Nothing in it was run") as caught:
        read_state(tmp_path / "x.pth")
    assert "weights_only" not in str(caught.value)
    assert not (tmp_path / "harm").exists()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("protocol", range(6))
def test_a_hostile_pickle_is_refused_in_our_own_words(
    protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.pth").write_bytes(pickle.dumps({"a": Harmful()}, protocol=protocol))
    with pytest.raises(TrainingError, match=r"x\.pth .*Nothing in it was run") as caught:
        read_state(tmp_path / "x.pth")
    assert "weights_only" not in str(caught.value)
    assert "PyTorch" not in str(caught.value)
    assert not (tmp_path / "harm").exists()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(share: float, zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    rewrite(path, {f"w{i}": torch.rand(64, 64) for i in range(8)}, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(TrainingError, match=r"x\.pth (is empty|cannot be read as a file of torch\.save)") as caught:
        read_state(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"not a checkpoint", "cannot be read as a file of torch.save"),
        (pickle.dumps({"a": 1}), "cannot be read as a file of torch.save"),
        (b"\x80\x02" + b"\x00" * 100, "cannot be read as a file of torch.save"),
    ],
)
def test_something_else_is_refused(content: bytes, text: str, tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(TrainingError, match=text):
        read_state(tmp_path / "x.pth")


def test_a_compressed_archive_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.pth", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x/data.pkl", b"\0" * 1_000_000)
    with pytest.raises(TrainingError, match=r"is compressed, as torch\.save never writes"):
        read_state(tmp_path / "x.pth")


@pytest.mark.parametrize("zipped", [False, True])
def test_a_tar_file_is_not_opened(zipped: bool, tmp_path: Path) -> None:
    (tmp_path / "pickle").write_bytes(pickle.dumps(Harmful()))
    with tarfile.open(tmp_path / "x.pth", "w") as file:
        file.add(tmp_path / "pickle", "pickle")
    if zipped:  # which torch takes for a tar file all the same
        with zipfile.ZipFile(tmp_path / "x.pth", "a") as archive:
            archive.writestr("x/data.pkl", b"")
    with pytest.raises(TrainingError, match=r"x\.pth is a tar file, as torch\.save has not written since 2017; .*not loaded"):
        read_state(tmp_path / "x.pth")


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    rewrite(path, {"w": torch.zeros(64, 64)})
    content = bytearray(path.read_bytes())
    content[content.index(bytes(4000)) + 100] ^= 1
    path.write_bytes(content)
    with pytest.raises(TrainingError, match=r"x\.pth is damaged: x/data/0 does not match its CRC"):
        read_state(path)


@pytest.mark.parametrize("content", [torch.zeros(3), [1, 2], {1: torch.zeros(1)}])
def test_a_file_without_names_is_refused(content: object, tmp_path: Path) -> None:
    rewrite(tmp_path / "x.pth", content)
    with pytest.raises(TrainingError, match=r"x\.pth holds a \w+; expected the state of a network"):
        read_state(tmp_path / "x.pth")
    with pytest.raises(TrainingError, match=r"y\.pth is missing"):
        read_state(tmp_path / "y.pth")


def test_adam_is_numbered_part_by_part_and_the_classifiers_have_no_moments(tmp_path: Path) -> None:
    made = parts()
    optimizer = trained(made)
    save_parts(tmp_path / "w", made, **SIZE, optimizer=optimizer)
    content = torch.load(tmp_path / "w" / "adam.pth", weights_only=True)
    assert content["param_groups"][0]["params"] == list(range(62 + 28 + 62 + 8))
    assert set(range(160)) - set(content["state"]) == {60, 61, 62 + 28 + 60, 62 + 28 + 61}
    deep = sum(1 for _ in Monodepth2Depth(layers=50, width=NARROW).encoder.parameters())
    assert deep == 161
    # Another program's optimiser over the same parameters takes the file.
    other = torch.optim.Adam([x for part in parts().values() for x in part.parameters()])
    other.load_state_dict(content)


def moments(optimizer: torch.optim.Optimizer) -> list[dict[str, Tensor]]:
    parameters = [x for group in optimizer.param_groups for x in group["params"]]
    return [optimizer.state.get(x, {}) for x in parameters]


@pytest.mark.parametrize("zipped", [False, True])
def test_adam_by_order_from_addresses_and_counts_of_old_files(zipped: bool, tmp_path: Path) -> None:
    """PyTorch before 1.5 wrote the addresses of parameters, and whole numbers as counts of steps."""
    made = parts()
    optimizer = trained(made, lr=1e-4)
    content = adam_state(optimizer, made)
    address = {n: 140_000_000_000_000 + 997 * (n * 7919 % 160) for n in range(160)}
    content["param_groups"][0]["params"] = [address[n] for n in range(160)]
    content["state"] = {address[n]: x | {"step": int(x["step"])} for n, x in content["state"].items()}
    rewrite(tmp_path / "adam.pth", content, _use_new_zipfile_serialization=zipped)
    others = parts()
    other = torch.optim.Adam([x for part in others.values() for x in part.parameters()], lr=1e-5)
    load_adam(other, tmp_path / "adam.pth", others)
    assert [group["lr"] for group in other.param_groups] == [1e-5]  # not the file's 1e-4
    for got, expected in zip(moments(other), moments(optimizer), strict=True):
        assert set(got) == set(expected)
        assert all(torch.equal(got[key], expected[key]) for key in got)
    trained_on = trained(others, steps=0)
    assert len(trained_on.state) == 0
    for x in (x for part in others.values() for x in part.parameters()):
        x.grad = torch.ones_like(x)
    other.step()


def test_a_resumed_adam_goes_on_as_the_first_one_would(tmp_path: Path) -> None:
    first = parts()
    optimizer = trained(first)
    save_parts(tmp_path / "w", first, **SIZE, optimizer=optimizer)
    second = parts()
    load_parts(tmp_path / "w", second)
    resumed = trained(second, steps=0)
    load_adam(resumed, tmp_path / "w" / "adam.pth", second)
    gradients = [torch.randn_like(x) for part in first.values() for x in part.parameters()]
    for made, stepping in ((first, optimizer), (second, resumed)):
        for x, gradient in zip((x for part in made.values() for x in part.parameters()), gradients, strict=True):
            x.grad = gradient.clone()
        stepping.step()
    assert all(same(first[name], second[name]) for name in first)


def test_adam_of_other_networks_is_refused(tmp_path: Path) -> None:
    made = parts()
    save_parts(tmp_path / "w", made, **SIZE, optimizer=trained(made))
    path = tmp_path / "w" / "adam.pth"
    depth = parts_of(networks()[0])
    with pytest.raises(TrainingError, match=r"is of 160 parameters; expected 90 \(encoder 62, depth 28\)"):
        load_adam(trained(depth, steps=0), path, depth)
    # Of 160 parameters, four classifiers' have no moments, and five biases of heads are as long at any width.
    wide = parts_of(Monodepth2Depth(width=2 * NARROW), SeparatePose(width=2 * NARROW))
    with pytest.raises(
        TrainingError, match=r"other networks .*: 151 \(encoder\.encoder\.conv1\.weight has exp_avg 4x3x7x7 instead of 8x"
    ):
        load_adam(trained(wide, steps=0), path, wide)
    with pytest.raises(TrainingError, match="is not the state of an optimiser"):
        load_adam(trained(depth, steps=0), tmp_path / "w" / "encoder.pth", depth)
    content = torch.load(path, weights_only=True)
    del content["state"][3]["step"]
    rewrite(path, content)
    with pytest.raises(TrainingError, match=r"encoder\.encoder\.layer1\.0\.conv1\.weight has no count of steps"):
        load_adam(trained(made, steps=0), path, made)


def test_an_interrupted_writing_leaves_the_earlier_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = saved(tmp_path / "w")
    save = torch.save

    def fail(content: object, path: Path) -> None:
        if path.name == "pose.pth":
            raise OSError(28, "No space left on device")
        save(content, path)

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(TrainingError, match=r"w could not be written: .*No space left on device"):
        save_parts(tmp_path / "w", parts(), **SIZE)
    assert [path.name for path in tmp_path.iterdir()] == ["w"]
    new = parts()
    load_parts(tmp_path / "w", new)
    assert same(new["encoder"], written["encoder"])


def test_a_full_disk_as_the_writer_of_torch_says_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path / "w")

    def fail(content: object, path: Path) -> None:
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 84352 vs 84248")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(
        TrainingError, match=r"w could not be written: the disk takes no more \([\d.]+ MB are free\)\. Make room"
    ):
        save_parts(tmp_path / "w", parts(), **SIZE)
    assert [path.name for path in tmp_path.iterdir()] == ["w"]
    load_parts(tmp_path / "w", parts())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is always full")
def test_what_torch_says_on_a_full_disk() -> None:
    with pytest.raises(OSError, match=r"the disk takes no more|No space left"):
        _write({"a": torch.zeros(10**6)}, Path("/dev/full"))


def test_a_new_checkpoint_replaces_the_old_one_but_nothing_else(tmp_path: Path) -> None:
    saved(tmp_path / "w")
    written = saved(tmp_path / "w")
    new = parts()
    load_parts(tmp_path / "w", new)
    assert same(new["pose"], written["pose"])
    (tmp_path / "w" / "notes.txt").touch()
    with pytest.raises(TrainingError, match=r"w holds notes\.txt, which would be lost"):
        saved(tmp_path / "w")
    (tmp_path / "f").touch()
    with pytest.raises(TrainingError, match="f is a file"):
        saved(tmp_path / "f")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f", "w"]


def test_what_a_killed_process_has_left_is_removed(tmp_path: Path) -> None:
    left, young = (tmp_path / f".w.{digit * 16}.tmp" for digit in "01")
    for path in (left, young):
        path.mkdir()
        (path / "encoder.pth").touch()
    os.utime(left, (0, 0))
    with atomic_folder(tmp_path / "v") as temporary:
        (temporary / "a").touch()
    assert sorted(path.name for path in tmp_path.iterdir()) == [young.name, "v"]


def test_seeded_files_of_every_part_load(tmp_path: Path) -> None:
    """The two other pose networks have files of the same names."""
    for network in (SharedPose(), PoseCNNPose()):
        fill(network.pose)
        save_parts(tmp_path / "w", parts_of(network), **SIZE)
        other = type(network)()
        load_parts(tmp_path / "w", parts_of(other))
        assert same(other, network)
