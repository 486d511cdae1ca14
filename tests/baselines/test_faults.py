"""What can go wrong while a network trains, without training one."""

import os
import signal
import threading
from types import SimpleNamespace

import pytest
import tiny_training as tiny

torch = pytest.importorskip("torch", reason="needs depthbench[train]")

from baselines.faults import Interrupt, checked_means, checked_weights, out_of_memory  # noqa: E402
from baselines.recipe import load_recipe  # noqa: E402
from benchmark.errors import TrainingError  # noqa: E402

ALONE = SimpleNamespace(world_size=1)


def terms(*values: float) -> list[dict[str, torch.Tensor]]:
    return [{"loss": torch.tensor(value), "smoothness": torch.tensor(2 * value)} for value in values]


def test_means_are_taken_by_term():
    assert checked_means(terms(1.0, 2.0, 6.0), 3) == {"loss": 3.0, "smoothness": 6.0}


def test_the_first_step_that_is_not_finite_is_named():
    steps = terms(1.0, 2.0, 3.0, 4.0)
    steps[2]["smoothness"] = torch.tensor(float("inf"))
    steps[3]["loss"] = torch.tensor(float("nan"))
    with pytest.raises(TrainingError, match=r"^step 99: the loss is not finite: smoothness = inf\. Checkpoints"):
        checked_means(steps, 100)


def test_weights_that_are_not_finite_are_named():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    checked_weights(model, 1)
    model[1].running_var[0] = float("nan")
    with pytest.raises(TrainingError, match=r"^step 7: 1 weights are not finite, the first is 1\.running_var, though"):
        checked_weights(model, 7)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_a_wish_and_the_second_one_an_end(number):
    before = signal.getsignal(number)
    with Interrupt() as interrupt:
        assert not interrupt.wanted(ALONE, ask=True)
        os.kill(os.getpid(), number)
        assert interrupt.wanted(ALONE, ask=False)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) == before


def test_ranks_stop_together():
    asked = []

    def all_reduce(value, reduce_op):
        asked.append(reduce_op)
        return value + 1  # the other rank was told to stop

    pair = SimpleNamespace(world_size=2, device="cpu", all_reduce=all_reduce)
    interrupt = Interrupt()
    assert not interrupt.wanted(pair, ask=False)
    assert asked == []
    assert interrupt.wanted(pair, ask=True)
    assert asked == ["sum"]


def test_signals_are_left_alone_in_other_threads():
    kept = []

    def work() -> None:
        with Interrupt() as interrupt:
            kept.append(interrupt.asked)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert kept == [False]


def test_only_a_full_memory_is_one(tmp_path):
    recipe = load_recipe(str(tiny.write_recipe(tmp_path)))
    with (
        pytest.raises(TrainingError, match=r"the memory does not suffice to train tiny \(CUDA out of memory\)"),
        out_of_memory(recipe),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory\ntry this or that")
    with pytest.raises(ValueError, match="alloc"), out_of_memory(recipe):
        raise ValueError("alloc")
    with pytest.raises(RuntimeError, match="shapes"), out_of_memory(recipe):
        raise RuntimeError("shapes")
    for said in ("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes", "CUDNN_STATUS_ALLOC_FAILED"):
        with pytest.raises(TrainingError, match=r"Lower schedule\.batch"), out_of_memory(recipe):
            raise RuntimeError(said)
    with pytest.raises(RuntimeError, match="same device"), out_of_memory(recipe):
        raise RuntimeError("tensors must be allocated on the same device")
    with pytest.raises(KeyboardInterrupt), out_of_memory(recipe):
        raise KeyboardInterrupt
