import numpy as np
import pytest

from baselines import priors
from benchmark.io.ground_truth import GroundTruth, Header, assemble, sparsify

K_375 = np.array([[720.0, 0, 600], [0, 720, 172.5], [0, 0, 1]])


def truth_of(maps, *, scale=None) -> GroundTruth:
    header = Header("kitti_raw", "made/up", "0" * 64, "exact", tuple(f"frame {i}" for i in range(len(maps))), scale)
    return assemble(header, [sparsify(maps, np.eye(3))])


def stereo_pair(bands, shape=(96, 320), seed=0):
    """Left and right image; each band of rows is a plane of one disparity. A texture of several scales."""
    rng = np.random.default_rng(seed)
    height, width = shape
    canvas = np.zeros((height, width + max(bands), 3))
    for step in (1, 2, 4, 8):
        blocks = rng.uniform(0, 60, (height // step + 1, canvas.shape[1] // step + 1, 3))
        canvas += blocks.repeat(step, 0).repeat(step, 1)[:height, : canvas.shape[1]]
    canvas = canvas.astype(np.uint8)
    disparity = np.repeat(bands, height // len(bands))
    right = np.stack([canvas[y, d : d + width] for y, d in enumerate(disparity)])
    return canvas[:, :width], right, np.repeat(disparity[:, None], width, axis=1)


def test_constant():
    depth = priors.constant((4, 6))
    assert (depth.shape, depth.dtype, depth.min(), depth.max()) == ((4, 6), np.float32, 10, 10)
    assert priors.constant((2, 3), depth_m=7.5).max() == 7.5


def test_ground_plane_at_known_rows():
    depth = priors.ground_plane(K_375, (375, 1242), (375, 1242))
    # 720 px and 1.65 m: 1188 / (v - 172.5).
    assert depth[271, 0] == pytest.approx(1188 / 98.5, rel=1e-6)
    assert depth[374, 1241] == pytest.approx(1188 / 201.5, rel=1e-6)
    assert depth[187, 5] == 80  # 1188 / 14.5 = 81.9
    assert depth[188, 5] == pytest.approx(1188 / 15.5, rel=1e-6)
    assert (depth[:173] == 80).all()
    assert depth.dtype == np.float32


def test_ground_plane_of_another_size_looks_through_the_centres_of_its_pixels():
    third = priors.ground_plane(K_375, (375, 1242), (125, 414), clip_m=40)
    # Row 100 of 125 covers the rows 300, 301, 302: its centre is that of row 301.
    assert third[100, 7] == pytest.approx(1188 / (301 - 172.5), rel=1e-6)
    assert third.shape == (125, 414)
    assert third.max() == 40
    lower = priors.ground_plane(K_375, (375, 1242), (125, 414), height_m=0.825)
    assert lower[100, 7] == pytest.approx(594 / (301 - 172.5), rel=1e-6)


def test_median_map_is_the_median_of_inverse_depth():
    maps = np.full((3, 2, 2), 4, np.float32)
    maps[:, 0, 0] = 2, 50, 10  # odd: 10
    maps[:, 0, 1] = 5, 0, 20  # even: the mean of 1/5 and 1/20 is 1/8
    maps[:, 1, 0] = 0, 0, 7  # one
    assert np.allclose(priors.median_map(truth_of(list(maps)), (2, 2)), [[10, 8], [7, 4]], rtol=1e-6)


def test_median_map_reads_raw_png_values():
    maps = [np.full((2, 3), 256 * 6, np.uint16), np.full((2, 3), 256 * 6, np.uint16)]
    assert np.allclose(priors.median_map(truth_of(maps, scale=1 / 256), (2, 3)), 6)


def test_median_map_pools_the_pixels_of_a_cell_and_takes_images_of_any_size():
    large = np.zeros((4, 4), np.float32)
    large[:2, :2] = [[2, 4], [4, 8]]
    large[2:, 2:] = 5
    small = np.full((2, 2), 4, np.float32)
    small[1, 1] = 0
    pooled = priors.median_map(truth_of([large, small]), (2, 2))
    assert np.allclose(pooled, [[4, 4], [4, 5]])


def test_median_map_in_bands_equals_one_that_is_made_at_once(monkeypatch):
    rng = np.random.default_rng(4)
    maps = [np.where(rng.random(s) < 0.5, rng.uniform(2, 80, s), 0).astype(np.float32) for s in [(37, 50), (40, 44)] * 3]
    banded = priors.median_map(truth_of(maps), (21, 30))
    monkeypatch.setattr(priors, "BAND_ROWS", 21)
    assert np.array_equal(banded, priors.median_map(truth_of(maps), (21, 30)))
    # And the definition, cell by cell.
    for r, c in [(0, 0), (7, 8), (20, 29), (13, 3)]:
        inside = []
        for depth in maps:
            rows, columns = np.nonzero(depth)
            hit = (np.floor((rows + 0.5) * 21 / depth.shape[0]) == r) & (np.floor((columns + 0.5) * 30 / depth.shape[1]) == c)
            inside += (1 / depth[rows, columns][hit]).tolist()
        assert banded[r, c] == pytest.approx(1 / np.median(inside), rel=1e-6)


def test_fill_holes_is_linear_down_a_column_and_repeats_its_ends():
    nan = np.nan
    holes = np.array([[nan, nan, 7], [1, nan, 7], [nan, nan, nan], [3, nan, 1], [nan, nan, nan]], np.float32)
    assert priors.fill_holes(holes).tolist() == [[1, 4, 7], [1, 4, 7], [2, 3, 4], [3, 2, 1], [3, 2, 1]]
    assert np.isnan(holes[0, 0])  # the input is as it was
    with pytest.raises(ValueError, match="no depth"):
        priors.fill_holes(np.full((3, 4), nan, np.float32))


def test_fill_holes_continues_a_ground_plane_exactly():
    inverse = (1 / priors.ground_plane(K_375, (375, 1242), (60, 8), clip_m=1e9)[30:]).astype(np.float32)
    holes = inverse.copy()
    holes[3:20:2] = np.nan
    assert np.allclose(priors.fill_holes(holes), inverse, rtol=1e-5)


@pytest.mark.parametrize("side", [1, -1])
def test_sgm_finds_known_disparities_on_either_side(side):
    left, right, disparity = stereo_pair((6, 12, 24))
    pair = (left, right) if side == 1 else (left[:, ::-1], right[:, ::-1])
    truth = 200 * 0.5 / disparity
    depth = priors.stereo_sgm(*pair, focal_px=200, baseline_m=side * 0.5, size=left.shape[:2])
    error = np.abs(depth - truth) / truth
    assert (depth.shape, depth.dtype) == ((96, 320), np.float32)
    assert np.median(error) < 0.02
    assert (error < 0.02).mean() > 0.9
    # The strip at the edge, whose match lies outside the other image, is filled too.
    assert np.median((error if side == 1 else error[:, ::-1])[:, :24]) < 0.05


def test_sgm_resizes_inverse_depth():
    left, right, disparity = stereo_pair((6, 12, 24))
    truth = 200 * 0.5 / disparity
    for size in [(48, 160), (24, 100), (192, 640), (120, 200)]:
        depth = priors.stereo_sgm(left, right, focal_px=200, baseline_m=0.5, size=size)
        rows = ((np.arange(size[0]) + 0.5) * 96 / size[0]).astype(int)
        assert depth.shape == size
        assert np.median(np.abs(depth / truth[rows, :1] - 1)) < 0.02


def test_sgm_of_blank_images_is_refused():
    blank = np.full((40, 64, 3), 90, np.uint8)
    with pytest.raises(ValueError, match="no match"):
        priors.stereo_sgm(blank, blank, focal_px=60, baseline_m=0.5, size=(40, 64))


def test_truth_map_at_its_own_size_keeps_every_point():
    depth = np.array([[0, 5, 0], [4, 5, 8], [6, 0, 0]], np.float32)
    row, column = np.nonzero(depth)
    filled = priors.truth_map(row, column, depth[row, column], (3, 3), (3, 3))
    assert np.allclose(filled, [[4, 5, 8], [4, 5, 8], [6, 5, 8]])


@pytest.mark.parametrize(("sigma", "size"), [(0.1, (192, 640)), (0.3, (191, 333))])
def test_noise_is_log_normal_with_the_sigma_asked_for_and_smooth(sigma, size):
    depth = np.full(size, 12, np.float32)
    logs = np.stack([np.log(priors.log_normal_noise(depth, sigma=sigma, rng=np.random.default_rng(i)) / 12) for i in range(12)])
    assert np.median(np.exp(logs)) == pytest.approx(1, abs=0.1 * sigma)
    assert logs.std() == pytest.approx(sigma, rel=0.05)
    # Neighbours agree, pixels three radii apart do not.
    step = np.diff(logs, axis=2).std() / sigma
    far = int(3 * priors.NOISE_RADIUS * size[0])
    correlation = np.mean(logs[:, :, :-far] * logs[:, :, far:]) / sigma**2
    assert step < 0.2
    assert abs(correlation) < 0.15


def test_noise_of_a_generator_is_the_same_again():
    depth = np.full((10, 20), 3, np.float32)
    one, two = (priors.log_normal_noise(depth, sigma=0.2, rng=np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(one, two)
    assert one.dtype == np.float32
