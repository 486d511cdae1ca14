"""The three solids that every thing of the street is made of, and where a ray meets them.

A solid is one row of a float64 array; the constants below name its columns. Boxes are turned about z and may taper towards
their top (a windscreen, a gabled roof); cylinders stand upright; ellipsoids are turned about z.
"""

from __future__ import annotations

import numpy as np

from benchmark.kernels import kernel

BOX, CYLINDER, ELLIPSOID = 0, 1, 2
# Columns: what it is, where (centre, half extents, yaw, by how much a box is narrower at its top), how it looks, its name.
KIND, X, Y, Z, HX, HY, HZ, COS, SIN, TAPER_X, TAPER_Y, MATERIAL, TEXTURE, R, G, B, R2, G2, B2, LABEL, INSTANCE, TALL, AIRY = (
    range(23)
)
COLUMNS = 23
TOP, SIDE, INSIDE = 4, 6, 7  # faces: 0 +x, 1 -x, 2 +y, 3 -y, 4 top, 5 bottom of a box; 6 the round side, 7 seen from within
LEAF_M = 0.16  # half the distance of gaps in a crown


@kernel(allocates=False)
def meet(solids, i, ox, oy, oz, dx, dy, dz):  # type: ignore[no-untyped-def]
    """Distance along a ray to solid i in units of its direction, and the face; inf where it is missed or starts inside."""
    x, y, z = ox - solids[i, X], oy - solids[i, Y], oz - solids[i, Z]
    c, s = solids[i, COS], solids[i, SIN]
    x, y = c * x + s * y, c * y - s * x
    dx, dy = c * dx + s * dy, c * dy - s * dx
    if solids[i, KIND] == BOX:
        return _meet_box(solids, i, x, y, z, dx, dy, dz)
    if solids[i, KIND] == CYLINDER:
        return _meet_cylinder(solids, i, x, y, z, dx, dy, dz)
    return _meet_ellipsoid(solids, i, x, y, z, dx, dy, dz)


@kernel(allocates=False)
def _meet_box(solids, i, x, y, z, dx, dy, dz):  # type: ignore[no-untyped-def]  # noqa: PLR0912
    # Clipping against six half spaces, Kay and Kajiya 1986; the sides lean inwards by the taper.
    hx, hy, hz = solids[i, HX], solids[i, HY], solids[i, HZ]
    kx, ky = solids[i, TAPER_X] / (2 * hz), solids[i, TAPER_Y] / (2 * hz)
    near, far, face = 0.0, np.inf, -1
    for f in range(6):
        if f == 0:
            rate, room = dx + kx * dz, hx - kx * (z + hz) - x
        elif f == 1:
            rate, room = -dx + kx * dz, hx - kx * (z + hz) + x
        elif f == 2:
            rate, room = dy + ky * dz, hy - ky * (z + hz) - y
        elif f == 3:
            rate, room = -dy + ky * dz, hy - ky * (z + hz) + y
        elif f == 4:
            rate, room = dz, hz - z
        else:
            rate, room = -dz, hz + z
        if rate < 0.0:
            t = room / rate
            if t > near:
                near, face = t, f
        elif rate > 0.0:
            far = min(far, room / rate)
        elif room < 0.0:
            return np.inf, -1
        if near > far:
            return np.inf, -1
    if face < 0:
        return np.inf, -1
    return near, face


@kernel(allocates=False)
def _meet_cylinder(solids, i, x, y, z, dx, dy, dz):  # type: ignore[no-untyped-def]
    r, hz = solids[i, HX], solids[i, HZ]
    if z > hz and dz < 0.0:
        t = (hz - z) / dz
        px, py = x + t * dx, y + t * dy
        if px * px + py * py <= r * r:
            return t, TOP
    a, b, c = dx * dx + dy * dy, x * dx + y * dy, x * x + y * y - r * r
    root = b * b - a * c
    if root <= 0.0 or c <= 0.0 or b >= 0.0:
        return np.inf, -1
    t = (-b - np.sqrt(root)) / a
    return (t, SIDE) if abs(z + t * dz) <= hz else (np.inf, -1)


@kernel(allocates=False)
def _meet_ellipsoid(solids, i, x, y, z, dx, dy, dz):  # type: ignore[no-untyped-def]
    hx, hy, hz = solids[i, HX], solids[i, HY], solids[i, HZ]
    x, y, z, dx, dy, dz = x / hx, y / hy, z / hz, dx / hx, dy / hy, dz / hz
    a, b, c = dx * dx + dy * dy + dz * dz, x * dx + y * dy + z * dz, x * x + y * y + z * z - 1
    root = b * b - a * c
    if root <= 0.0 or c <= 0.0 or b >= 0.0:
        return np.inf, -1
    root = np.sqrt(root)
    t = (-b - root) / a
    if not solids[i, AIRY]:
        return t, SIDE
    # A crown is a shell of leaves with gaps: through a gap one sees its other side from within, or through both.
    if not _gap((x + t * dx) * hx, (y + t * dy) * hy, (z + t * dz) * hz, solids[i, TEXTURE], t):
        return t, SIDE
    t = (-b + root) / a
    if not _gap((x + t * dx) * hx, (y + t * dy) * hy, (z + t * dz) * hz, solids[i, TEXTURE], t):
        return t, INSIDE
    return np.inf, -1


@kernel(allocates=False)
def _gap(x, y, z, key, t):  # type: ignore[no-untyped-def]
    """Whether the shell of a crown has a gap at a point (metres); gaps of a pixel's size, far away, close."""
    share = 0.40 * min(1.0, max(0.0, 2.0 - t / 30.0))
    if share <= 0.0:
        return False
    x, y, z = x / LEAF_M + 7.0 * key, y / LEAF_M, z / LEAF_M
    fx, fy, fz = np.floor(x), np.floor(y), np.floor(z)
    a, b, c = x - fx, y - fy, z - fz
    total = 0.0
    for k in range(8):
        u, v, w = k & 1, (k >> 1) & 1, k >> 2
        weight = (a if u else 1 - a) * (b if v else 1 - b) * (c if w else 1 - c)
        h = (int(fx) + u) * 374761393 + (int(fy) + v) * 668265263 + (int(fz) + w) * 1274126177
        h = (h ^ (h >> 13)) * 1103515245
        total += weight * (((h ^ (h >> 16)) & 0xFFFF) / 65536.0)
    return total < share


@kernel(allocates=False)
def surface(solid, face, px, py, pz):  # type: ignore[no-untyped-def]  # noqa: PLR0911
    """Texture coordinates (u along, v up, metres) and outward unit normal of a point of a face: u, v, nx, ny, nz."""
    x, y, z = px - solid[X], py - solid[Y], pz - solid[Z]
    c, s = solid[COS], solid[SIN]
    x, y = c * x + s * y, c * y - s * x
    hx, hy, hz = solid[HX], solid[HY], solid[HZ]
    if solid[KIND] == BOX:
        if face < 2:
            sign, lean = 1.0 - 2.0 * face, solid[TAPER_X] / (2 * hz)
            n = 1 / np.sqrt(1 + lean * lean)
            return sign * y, z + hz, sign * n * c, sign * n * s, lean * n
        if face < 4:
            sign, lean = 5.0 - 2.0 * face, solid[TAPER_Y] / (2 * hz)
            n = 1 / np.sqrt(1 + lean * lean)
            return -sign * x, z + hz, -sign * n * s, sign * n * c, lean * n
        return x, y, 0.0, 0.0, 9.0 - 2.0 * face
    if solid[KIND] == CYLINDER:
        if face == TOP:
            return x, y, 0.0, 0.0, 1.0
        angle = np.arctan2(y, x)
        nx, ny = x / hx, y / hx
        return angle * hx, z + hz, c * nx - s * ny, s * nx + c * ny, 0.0
    nx, ny, nz = x / (hx * hx), y / (hy * hy), z / (hz * hz)
    n = 1 / np.sqrt(nx * nx + ny * ny + nz * nz)
    nx, ny, nz = nx * n, ny * n, nz * n
    if hy < 0.5 * hx:  # a wheel: seen from its side
        return x, z, c * nx - s * ny, s * nx + c * ny, nz
    return np.arctan2(y, x) * hx, z + 0.3 * x, c * nx - s * ny, s * nx + c * ny, nz
