"""What the golden outputs do not show: subsets of scales, widths, initial values, the order of pairs, refused sizes."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch", reason="needs depthbench[train]")

from torch import Tensor, nn  # noqa: E402

from baselines.geometry import pose_matrix  # noqa: E402
from baselines.networks import DEPTH_NETWORKS, POSE_NETWORKS, Monodepth2Depth, PoseCNNPose, SeparatePose, SharedPose  # noqa: E402
from baselines.networks.depth_decoder import DepthDecoder, check_size  # noqa: E402
from baselines.networks.monodepth2_pose import scale_translation  # noqa: E402
from baselines.networks.pose_decoder import PoseDecoder  # noqa: E402
from baselines.networks.resnet import ResnetEncoder  # noqa: E402
from benchmark.errors import OptionError, TrainingError  # noqa: E402

NARROW = 1 / 8


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def images(*sources: int | str) -> dict[int | str, Tensor]:
    return {source: torch.rand(2, 3, 64, 96) for source in sources}


def test_an_image_goes_through_with_every_part_that_was_asked_for() -> None:
    network = DEPTH_NETWORKS["monodepth2"](width=NARROW, scales=(0, 2), mask_sources=3)
    assert [name for name, _ in network.named_children()] == ["encoder", "depth", "predictive_mask"]
    out = network(torch.rand(2, 3, 64, 96))
    assert {s: x.shape for s, x in out.sigmoids.items()} == {0: (2, 1, 64, 96), 2: (2, 1, 16, 24)}
    assert out.masks is not None
    assert {s: x.shape for s, x in out.masks.items()} == {0: (2, 3, 64, 96), 2: (2, 3, 16, 24)}
    assert [x.shape[2:] for x in out.features] == [(32, 48), (16, 24), (8, 12), (4, 6), (2, 3)]
    assert [name for name, _ in Monodepth2Depth(width=NARROW).named_children()] == ["encoder", "depth"]
    assert Monodepth2Depth(width=NARROW)(torch.rand(1, 3, 64, 64)).masks is None


def test_a_subset_of_scales_has_the_published_numbers() -> None:
    """The heads are numbered from 10 on in the order in which the scales were given (depth_decoder.py at b676244)."""
    shapes = {key: x.shape for key, x in DepthDecoder((64, 64, 128, 256, 512), scales=(3, 0)).state_dict().items()}
    assert [key for key in shapes if key.startswith("decoder.1") and not key.startswith("decoder.1.")] == [
        "decoder.10.conv.weight", "decoder.10.conv.bias", "decoder.11.conv.weight", "decoder.11.conv.bias",
    ]  # fmt: skip
    assert shapes["decoder.10.conv.weight"] == (1, 128, 3, 3)
    assert shapes["decoder.11.conv.weight"] == (1, 16, 3, 3)


@pytest.mark.parametrize("scales", [(), (0, 0), (0, 4), (1, 2)])
def test_other_scales_are_refused(scales: tuple[int, ...]) -> None:
    with pytest.raises(TrainingError, match=r"expected 0, the full size, and any of 1, 2, 3, each at most once"):
        DepthDecoder((64, 64, 128, 256, 512), scales=scales)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: ResnetEncoder(34), "34 layers was asked for; there are 18 and 50"),
        (lambda: Monodepth2Depth(width=0.0), "width 0.0 was asked for; expected a factor above 0"),
        (lambda: Monodepth2Depth(width=NARROW, min_depth=1.0, max_depth=0.5), "from 1.0 to 0.5 were asked for"),
        (lambda: PoseCNNPose(width=NARROW, scale=0.0), "scale 0.0 was asked for; expected a factor above 0, 0.01 as published"),
    ],
)
def test_other_options_are_refused(make: Callable[[], nn.Module], text: str) -> None:
    with pytest.raises(TrainingError, match=text):
        make()


def test_widths_are_scaled_everywhere() -> None:
    network, wide = Monodepth2Depth(layers=50, width=0.25), Monodepth2Depth(layers=50)
    assert network.encoder.channels == (16, 64, 128, 256, 512)
    assert wide.encoder.channels == (64, 256, 512, 1024, 2048)
    pairs = list(zip(network.state_dict().items(), wide.state_dict().items(), strict=True))
    assert all(key == other for (key, _), (other, _) in pairs)
    kept = {3, 1, 1000, 7}  # colours, maps, classes, kernels
    for (key, narrow), (_, full) in pairs:
        assert [n for n, m in zip(narrow.shape, full.shape, strict=True) if n != m / 4 and n not in kept] == [], key


def test_the_bias_moves_the_disparity_heads_alone() -> None:
    torch.manual_seed(1)
    plain = Monodepth2Depth(width=NARROW, mask_sources=1).state_dict()
    torch.manual_seed(1)
    moved = Monodepth2Depth(width=NARROW, mask_sources=1, bias=-3.0).state_dict()
    changed = {key: float((moved[key] - x).mean()) for key, x in plain.items() if not torch.equal(moved[key], x)}
    assert changed == pytest.approx({f"depth.decoder.{n}.conv.bias": -3.0 for n in (10, 11, 12, 13)})


def test_inverse_depth_is_linear_between_the_bounds() -> None:
    network = Monodepth2Depth(width=NARROW)
    assert network.inverse_depth(torch.tensor([0.0, 0.5, 1.0])).tolist() == pytest.approx([0.01, 5.005, 10.0])
    other = Monodepth2Depth(width=NARROW, min_depth=0.5, max_depth=50.0)
    assert other.inverse_depth(torch.tensor([0.0, 1.0])).tolist() == pytest.approx([0.02, 2.0])


def test_the_classifier_is_a_parameter_without_a_gradient() -> None:
    network = Monodepth2Depth(width=NARROW)
    torch.stack([x.mean() for x in network(torch.rand(2, 3, 64, 64)).sigmoids.values()]).sum().backward()
    assert [name for name, x in network.named_parameters() if x.grad is None] == [
        "encoder.encoder.fc.weight",
        "encoder.encoder.fc.bias",
    ]


@pytest.mark.parametrize("size", [(64, 64), (192, 640), (320, 1024), (64, 224), (128, 416)])
def test_multiples_of_32_are_taken(size: tuple[int, int]) -> None:
    check_size(*size)


@pytest.mark.parametrize(
    ("size", "nearest"),
    [
        ((64, 208), "64x192 and 64x224"),
        ((375, 1242), "384x1248 and 352x1248"),  # 9 + 6 and 23 + 6 pixels away
        ((32, 64), "64x64 and 96x64"),
        ((0, 0), "64x64 and 64x96"),
        ((200, 640), "192x640 and 224x640"),
    ],
)
def test_other_sizes_are_refused_with_the_two_nearest(size: tuple[int, int], nearest: str) -> None:
    with pytest.raises(OptionError, match=rf"{size[0]}x{size[1]} \(height x width\).* work are {nearest}\."):
        check_size(*size, error=OptionError)


def test_the_network_itself_refuses_other_sizes() -> None:
    with pytest.raises(TrainingError, match="64x192 and 64x224"):
        Monodepth2Depth(width=NARROW)(torch.rand(1, 3, 64, 208))


@pytest.mark.parametrize("name", POSE_NETWORKS)
def test_pairs_are_in_temporal_order_and_earlier_ones_inverted(name: str) -> None:
    network = POSE_NETWORKS[name](width=NARROW).eval()
    seen = images(0, -1, 1, "s")
    features = {source: [torch.rand(2, 64, 2, 3)] for source in seen}
    poses = network(seen, features)
    assert list(poses) == [-1, 1]
    later = network({0: seen[-1], 1: seen[0]}, {0: features[-1], 1: features[0]})[1]
    torch.testing.assert_close(poses[-1] @ later, torch.eye(4).expand(2, 4, 4))
    earlier = network({0: seen[1], -1: seen[0]}, {0: features[1], -1: features[0]})[-1]
    torch.testing.assert_close(poses[1] @ earlier, torch.eye(4).expand(2, 4, 4))
    assert not torch.allclose(poses[1], earlier, atol=1e-6)


@pytest.mark.parametrize("name", POSE_NETWORKS)
@torch.no_grad()
def test_motions_begin_forward_where_asked(name: str) -> None:
    network = POSE_NETWORKS[name](width=NARROW, scale=0.1, forward_tz=-0.18)
    poses = network(images(0, -1, 1), {source: [torch.rand(2, 64, 2, 3)] for source in (0, -1, 1)})
    # The target's points come nearer to a camera that drives on, and are farther from where it was.
    assert poses[1][:, 2, 3].tolist() == pytest.approx([-0.18] * 2, abs=0.09)
    assert poses[-1][:, 2, 3].tolist() == pytest.approx([0.18] * 2, abs=0.09)
    for pose in poses.values():
        assert float(pose[:, :2, 3].abs().max()) < 0.09


def test_a_pose_without_its_features_says_so() -> None:
    with pytest.raises(ValueError, match="features"):
        SharedPose(width=NARROW)(images(0, 1))


def test_names_are_those_of_the_published_files() -> None:
    assert [name for name, _ in SeparatePose(width=NARROW).named_children()] == ["pose_encoder", "pose"]
    assert [name for name, _ in SharedPose(width=NARROW).named_children()] == ["pose"]
    assert [name for name, _ in PoseCNNPose(width=NARROW).named_children()] == ["pose"]
    assert {name: (network.needs_features, network.scales_with_depth) for name, network in POSE_NETWORKS.items()} == {
        "separate_resnet": (False, False), "shared": (True, False), "posecnn": (False, True),
    }  # fmt: skip


def test_a_pose_decoder_takes_the_spatial_mean() -> None:
    decoder = PoseDecoder(1, width=1 / 256, frames=1).eval()
    for layer in decoder.net:
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    for layer in decoder.net[:3]:
        layer.weight.data[0, 0, layer.weight.shape[2] // 2, layer.weight.shape[3] // 2] = 1  # the identity
    decoder.net[3].weight.data[:, 0, 0, 0] = torch.arange(6.0)
    axisangle, translation = decoder(
        [torch.tensor([[[[1.0, 2.0, -5.0], [3.0, 6.0, 0.0]]]])]
    )  # ReLU takes out -5; the mean is 2
    assert axisangle.flatten().tolist() == pytest.approx([0, 0.02, 0.04])
    assert translation.flatten().tolist() == pytest.approx([0.06, 0.08, 0.1])


@pytest.mark.parametrize("invert", [False, True])
def test_a_scaled_pose_is_that_of_the_scaled_translation(invert: bool) -> None:
    axisangle, translation = torch.rand(2, 3), torch.rand(2, 3)
    inverse_depth = torch.tensor([[1.0, 3.0], [0.25, 0.75]]).view(2, 1, 1, 2)
    scaled = scale_translation(pose_matrix(axisangle, translation, invert=invert), inverse_depth)
    mean = torch.tensor([[2.0], [0.5]])
    torch.testing.assert_close(scaled, pose_matrix(axisangle, mean * translation, invert=invert))


def test_autocast_does_not_round_the_maps_and_the_motions() -> None:
    depth, pose = Monodepth2Depth(width=NARROW), SeparatePose(width=NARROW)
    seen = images(0, 1)
    with torch.autocast("cpu", torch.bfloat16):
        sigmoids, motion = depth(seen[0]).sigmoids, pose.motion(seen[0], seen[1])
    for x in (*sigmoids.values(), *motion):
        assert x.dtype == torch.float32
        assert not torch.equal(x, x.bfloat16().float())


@torch.no_grad()
def test_a_new_resnet_keeps_the_size_of_its_signals() -> None:
    """He's initialisation of the convolutions, ones and zeros in the normalisation: torchvision's ResNet from scratch."""
    net = ResnetEncoder().encoder
    conv = net.layer3[0].conv1
    assert float(conv.weight.std()) == pytest.approx(math.sqrt(2 / (256 * 9)), rel=0.01)
    assert net.bn1.weight.eq(1).all()
    assert net.bn1.bias.eq(0).all()
