"""What the tests of training share: a tiny data set with depth hints, and one thread."""

from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import tiny_training as tiny

    folder = tiny.write_data(tmp_path_factory.mktemp("some data"))
    tiny.write_hints(folder / "hints")
    return folder


@pytest.fixture
def one_thread():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
