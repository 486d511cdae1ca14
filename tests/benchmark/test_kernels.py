"""The decorator of the compiled loops."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmark import kernels


def test_division_is_numpys() -> None:
    @kernels.kernel()
    def invert(values):
        return 1.0 / values[0]

    assert invert(np.zeros(1)) == np.inf


def test_without_a_folder_for_compiled_code_it_still_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    real = kernels.njit

    def nowhere(**options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return real(**options)

    monkeypatch.setattr(kernels, "njit", nowhere)

    @kernels.kernel()
    def double(value):
        return 2 * value

    assert double(21) == 42


CALLED = """
from benchmark.kernels import kernel
@kernel()
def inner(x):
    return x + {}
"""
CALLER = """
from benchmark.kernels import kernel
from called import inner
@kernel()
def outer(x):
    return 10 * inner(x)
print(outer(1))
"""


def test_a_change_in_another_file_of_the_folder_is_seen(tmp_path: Path) -> None:
    def run(added: int) -> str:
        (tmp_path / "called.py").write_text(CALLED.format(added))
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, str(tmp_path / "caller.py")]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()

    (tmp_path / "caller.py").write_text(CALLER)
    assert run(1) == "20"
    assert run(22) == "230"
    kept = [folder.name for folder in (tmp_path / "__pycache__").glob("kernels-*")]
    assert len(kept) == 1
