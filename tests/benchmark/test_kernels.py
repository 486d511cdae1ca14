"""The decorator of the compiled loops."""

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
