"""Value noise at several scales, faded out where it is finer than a pixel: textures that neither tile nor shimmer.

Perlin, "An image synthesizer", SIGGRAPH 1985 (sums of noise at halved wavelengths); Norton, Rockwood and Skolmoski, "Clamping",
SIGGRAPH 1982 (leaving out the wavelengths that a pixel cannot show).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmark.kernels import kernel

SIDE = 256
PERSISTENCE = 0.78


def noise_table() -> npt.NDArray[np.float32]:
    """The random numbers (256, 256) float32 in -0.5..0.5 that every texture of every world is made from."""
    return (np.random.default_rng(1985).random((SIDE, SIDE), np.float32) - np.float32(0.5)).astype(np.float32)


@kernel(allocates=False)
def cell(table, i, j):  # type: ignore[no-untyped-def]
    """The random number of a cell, -0.5..0.5."""
    return table[int(i) & 255, int(j) & 255]


@kernel(allocates=False)
def value_noise(table, u, v):  # type: ignore[no-untyped-def]
    """Smooth noise with wavelength 1, -0.5..0.5."""
    fu, fv = np.floor(u), np.floor(v)
    a, b = u - fu, v - fv
    i, j = int(fu) & 255, int(fv) & 255
    i1, j1 = (i + 1) & 255, (j + 1) & 255
    a, b = a * a * (3 - 2 * a), b * b * (3 - 2 * b)
    low = table[i, j] + (table[i1, j] - table[i, j]) * a
    high = table[i, j1] + (table[i1, j1] - table[i, j1]) * a
    return low + (high - low) * b


@kernel(allocates=False)
def fractal_noise(table, u, v, wavelength, octaves, footprint):  # type: ignore[no-untyped-def]
    """Sum of octaves from `wavelength` metres down, each faded out from 3 to 1.5 pixel footprints; about -1..1.

    Every octave is turned and shifted against the one before, so that neither the grid nor the table's period shows.
    """
    total, amplitude = 0.0, 1.0
    u, v = u / wavelength, v / wavelength
    pixels = wavelength / max(footprint, 1e-9)
    for _ in range(octaves):
        fade = pixels / 1.5 - 1.0
        if fade <= 0.0:
            break
        total += amplitude * min(fade, 1.0) * value_noise(table, u, v)
        amplitude *= PERSISTENCE
        pixels *= 0.5
        u, v = 1.6 * u - 1.2 * v + 17.31, 1.2 * u + 1.6 * v + 41.73
    return total * 1.1


@kernel(allocates=False)
def covered(x, low, high, footprint):  # type: ignore[no-untyped-def]
    """How much of a pixel of this footprint around x lies between low and high, 0..1: a painted edge, box-filtered."""
    w = max(footprint, 1e-4)
    left = min(max((x - low) / w + 0.5, 0.0), 1.0)
    right = min(max((high - x) / w + 0.5, 0.0), 1.0)
    return max(left + right - 1.0, 0.0)
