"""Devices and precisions, as far as a machine without a GPU can tell."""

import pytest

torch = pytest.importorskip("torch", reason="needs depthbench[train]")

from baselines.hardware import Hardware, open_fabric  # noqa: E402
from benchmark.errors import OptionError  # noqa: E402


def test_auto_takes_what_is_there():
    fabric = open_fabric(Hardware())
    assert fabric.device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert (fabric.world_size, fabric.global_rank, fabric.is_global_zero) == (1, 0, True)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there():
    with pytest.raises(
        OptionError, match=r"^--device cuda: PyTorch .* (was built without CUDA|finds no GPU); pass --device cpu"
    ):
        open_fabric(Hardware("cuda"))


def test_networks_compute_in_bf16_and_keep_their_weights():
    fabric = open_fabric(Hardware("cpu", "bf16"))
    layer = torch.nn.Conv2d(3, 4, 3)
    kinds = []
    layer.register_forward_hook(lambda module, given, made: kinds.append(made.dtype))
    made = fabric.setup_module(layer)(torch.rand(1, 3, 8, 8))
    assert (kinds, made.dtype, layer.weight.dtype) == ([torch.bfloat16], torch.float32, torch.float32)


@pytest.mark.parametrize(("ranks", "local"), [("4", None), ("4", "3"), ("4", "0"), ("four", "4"), ("-4", "4")])
def test_several_processes_that_torchrun_did_not_start(monkeypatch, ranks, local):
    monkeypatch.setenv("WORLD_SIZE", ranks)
    if local is not None:
        monkeypatch.setenv("LOCAL_WORLD_SIZE", local)
    with pytest.raises(OptionError, match=f"^WORLD_SIZE is {ranks} and LOCAL_WORLD_SIZE {local or 'not set'}; expected what t"):
        open_fabric(Hardware("cpu"))


def test_a_group_of_one(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert open_fabric(Hardware("cpu")).world_size == 1
