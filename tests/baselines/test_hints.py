import errno
from pathlib import Path

import cv2
import numpy as np
import pytest
from kitti_tree import DATE, DRIVE, write_calibration, write_list

from baselines import hints
from baselines.hint_matching import candidates, depth_of, fuse, hint, photometric, planes, warp
from baselines.hints import describe_hints, hint_path, make_hints, read_hint
from baselines.image_cache import open_cache
from baselines.samples import find_samples
from benchmark.errors import DatasetError, OptionError, SplitError, TrainingError
from benchmark.splits import Frame, read_list

SIZE = (48, 240)
SHIFT = 20


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return cv2.GaussianBlur(rng.integers(0, 256, (height, width, 3), dtype=np.uint8), (0, 0), 1.5)


def stereo_pair(height: int = SIZE[0], width: int = SIZE[1], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Left and right image: the upper half 8 pixels of disparity, the lower one SHIFT, and noise of its own in each."""
    canvas = texture(height, width + SHIFT, seed)
    right = np.concatenate([canvas[: height // 2, 8 : 8 + width], canvas[height // 2 :, SHIFT:]])
    added = np.random.default_rng(seed + 1).integers(0, 12, (2, height, width, 3))
    left, right = (
        np.clip(image + n, 0, 255).astype(np.uint8) for image, n in zip((canvas[:, :width], right), added, strict=True)
    )
    return left, right


def write_pairs(raw: Path, numbers: list[int]) -> None:
    write_calibration(raw, shape=SIZE)
    for number in numbers:
        for camera, image in zip(("image_02", "image_03"), stereo_pair(seed=number), strict=True):
            path = raw / DATE / DRIVE / camera / "data" / f"{number:010d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(path), image[..., ::-1])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    write_pairs(folder / "kitti_raw", [0, 1, 5])
    write_list(folder / "left.txt", [0, 1, 5])
    write_list(folder / "right.txt", [0, 1, 5], side="r")
    return folder


def make(data: Path, out: Path, *lists: str, **options) -> hints.Summary:
    names = tuple(str(data / name) for name in lists or ("left.txt",))
    return make_hints(names, data, out, **{"size": SIZE, "quiet": True, **options})


def path_of(out: Path, number: int, camera: str = "image_02") -> Path:
    return out / DATE / DRIVE / camera / f"{number:010d}.npy"


def independent_error(image: np.ndarray, other: np.ndarray, disparity: np.ndarray) -> np.ndarray:
    """The photometric error by back-projection and projection in three dimensions, window by window; shares no function."""
    _, height, width = image.shape
    focal = 0.58 * width
    pixels = disparity / 16
    depth = np.where(pixels > 0, focal * 0.1 / np.where(pixels > 0, pixels, 1), 0)
    y, x = np.mgrid[:height, :width]
    K = np.array([[focal, 0, 0.5 * width], [0, 1.92 * height, 0.5 * height], [0, 0, 1]])
    rays = np.linalg.inv(K) @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    # The published 1e-7 in every denominator moves a point by less than 1e-3 pixels unless its depth is zero.
    u, v, w = K @ (rays * depth.ravel() + np.array([[-0.1], [0], [0]]))
    w = np.where(w == 0, 1e-7, w)
    u, v = np.clip(u / w, 0, width - 1), np.clip(v / w, 0, height - 1)
    u0, v0 = np.floor(u).astype(int), np.floor(v).astype(int)
    u1, v1 = np.minimum(u0 + 1, width - 1), np.minimum(v0 + 1, height - 1)
    a, b = u - u0, v - v0
    upper, lower = ((1 - a) * other[:, row, u0] + a * other[:, row, u1] for row in (v0, v1))
    warped = ((1 - b) * upper + b * lower).reshape(image.shape)
    p, q = (np.pad(i, ((0, 0), (1, 1), (1, 1)), mode="reflect") for i in (image, warped))
    p, q = (np.lib.stride_tricks.sliding_window_view(i, (3, 3), axis=(1, 2)).reshape(*image.shape, 9) for i in (p, q))
    mp, mq = p.mean(-1), q.mean(-1)
    covariance = ((p - mp[..., None]) * (q - mq[..., None])).mean(-1)
    ssim = (2 * mp * mq + 1e-4) * (2 * covariance + 9e-4) / ((mp**2 + mq**2 + 1e-4) * (p.var(-1) + q.var(-1) + 9e-4))
    return (0.85 * np.clip((1 - ssim) / 2, 0, 1) + 0.15 * abs(image - warped)).mean(0)


def test_eight_matchers_give_what_the_published_twelve_do():
    left, right = stereo_pair(96, 320)
    twelve = candidates(left, right, (1, 2, 3))
    assert twelve.shape == (12, 96, 320)
    assert np.array_equal(twelve[4:8], twelve[8:])
    assert not np.array_equal(twelve[:4], twelve[4:8])
    assert np.array_equal(twelve[:8], candidates(left, right))
    assert len({found.tobytes() for found in twelve}) == 8
    for mirrored in (False, True):
        chosen = hint(left, right, mirrored=mirrored)
        assert np.array_equal(chosen, hint(left, right, mirrored=mirrored, blocks=(1, 2, 3)))


def test_the_error_of_a_candidate_against_a_projection_in_three_dimensions():
    left, right = stereo_pair()
    image, other = planes(left), planes(right)
    for disparity in [*candidates(left, right), np.zeros(SIZE, np.int16), np.full(SIZE, 1000, np.int16)]:
        error = photometric(image, warp(other, disparity))
        assert error == pytest.approx(independent_error(image, other, disparity), abs=1e-5)


def test_the_choice_is_the_argmin_over_all_twelve_and_the_first_of_equals():
    left, right = stereo_pair()
    image, other = planes(left), planes(right)
    found = candidates(left, right, (1, 2, 3))
    errors = np.stack([independent_error(image, other, disparity) for disparity in found])
    first = np.argmin(np.round(errors, 12), axis=0)
    chosen = fuse(image, other, found)
    expected = np.take_along_axis(found, first[None], 0)[0]
    assert (chosen == expected).mean() > 0.999
    # The disparity of a pixel whose window agrees in two maps is one: a tie makes a difference only between unlike values.
    blank = np.full((3, 8, 16), 0.5)
    pair = np.stack([np.full((8, 16), d, np.int16) for d in (64, 32)])
    assert (fuse(blank, blank, pair) == 64).all()
    assert (fuse(blank, blank, pair[::-1]) == 32).all()


def test_an_invalid_candidate_can_win():
    image = np.full((3, 8, 16), 0.25)
    other = np.full((3, 8, 16), 0.75)
    other[:, 0, 0] = 0.25  # what a depth of zero sees, from every pixel
    pair = np.stack([np.full((8, 16), d, np.int16) for d in (64, -16)])
    chosen = fuse(image, other, pair)
    assert (chosen[2:, 8:] == -16).all()
    assert (depth_of(chosen)[2:, 8:] == 0).all()


@pytest.mark.parametrize("mirrored", [False, True])
def test_depth_in_the_published_unit_and_no_hint_where_no_matcher_looks(mirrored):
    left, right = stereo_pair()
    image, other = (right, left) if mirrored else (left, right)
    depth = hint(image, other, mirrored=mirrored)
    assert depth.dtype == np.float32
    assert depth.flags.c_contiguous
    unseen = depth[:, -64:] if mirrored else depth[:, :64]
    seen = depth[:, :-64] if mirrored else depth[:, 64:]
    assert (unseen == 0).all()
    assert np.median(seen[:20]) == pytest.approx(0.58 * SIZE[1] * 0.1 / 8, rel=0.01)
    assert np.median(seen[28:]) == pytest.approx(0.58 * SIZE[1] * 0.1 / SHIFT, rel=0.01)
    assert (seen > 0).mean() > 0.85


def test_the_error_is_the_photometric_loss_of_training():
    torch = pytest.importorskip("torch", reason="needs depthbench[train]")
    from baselines.losses.photometric import photometric as loss

    image, warped = (planes(texture(24, 40, seed)) for seed in (3, 4))
    expected = loss(torch.from_numpy(warped)[None], torch.from_numpy(image)[None])[0, 0]
    assert photometric(image, warped) == pytest.approx(expected.numpy(), abs=1e-12)


def test_the_files_lie_where_the_field_keeps_them(data, tmp_path):
    out = tmp_path / "hints"
    made = make(data, out, "left.txt", "right.txt", "left.txt")
    cameras = ("image_02", "image_03")
    files = sorted(path_of(out, number, camera) for camera in cameras for number in (0, 1, 5))
    assert sorted(path for path in out.rglob("*") if path.is_file()) == files
    assert (made.made, made.kept) == (6, 0)
    left, right = stereo_pair(seed=5)
    for camera, expected in zip(cameras, (hint(left, right), hint(right, left, mirrored=True)), strict=True):
        raw = np.load(path_of(out, 5, camera))
        assert (raw.shape, raw.dtype) == ((1, *SIZE), np.float32)
        assert np.array_equal(read_hint(path_of(out, 5, camera)), expected)
    assert hint_path(out, Frame(DRIVE, "image_03", 5)) == path_of(out, 5, "image_03")
    assert made.coverage == pytest.approx(np.mean([np.load(path) > 0 for path in files]))
    assert f"6 hints of {SIZE[0]}x{SIZE[1]}" in made.text()


def test_the_images_are_resized_with_lanczos_to_the_matching_size(data, tmp_path):
    from PIL import Image

    size = (32, 200)
    make(data, tmp_path / "hints", size=size, jobs=1)
    left, right = (np.asarray(Image.fromarray(i).resize(size[::-1], Image.Resampling.LANCZOS)) for i in stereo_pair(seed=1))
    assert np.array_equal(read_hint(path_of(tmp_path / "hints", 1)), hint(left, right))


def test_whole_files_are_kept_and_truncated_ones_made_again(data, tmp_path):
    out = tmp_path / "hints"
    make(data, out)
    whole = path_of(out, 0).read_bytes()
    np.save(path_of(out, 1), np.full((1, *SIZE), 2, np.float32))
    path_of(out, 0).write_bytes(whole[: len(whole) // 2])
    path_of(out, 5).write_bytes(b"")
    made = make(data, out)
    assert (made.made, made.kept) == (2, 1)
    assert path_of(out, 0).read_bytes() == whole
    assert (read_hint(path_of(out, 1)) == 2).all()
    assert make(data, out).text() == f"{out}: 0 hints of {SIZE[0]}x{SIZE[1]}; 3 were there already"
    assert make(data, out, overwrite=True).made == 3
    assert (read_hint(path_of(out, 1)) != 2).any()


def test_hints_of_another_size_are_not_mixed(data, tmp_path):
    out = tmp_path / "hints"
    make(data, out)
    with pytest.raises(TrainingError, match=r"0000000000\.npy: holds float32 of shape \(1, 48, 240\).*--overwrite"):
        make(data, out, size=(48, 256))
    assert make(data, out, size=(48, 256), overwrite=True).made == 3


def test_missing_second_views_are_counted_and_the_first_ten_named(data, tmp_path):
    raw = data / "kitti_raw"
    numbers = list(range(20, 33))
    write_pairs(raw, numbers)
    for number in numbers[1:]:
        (raw / DATE / DRIVE / "image_03" / "data" / f"{number:010d}.png").unlink()
    write_list(data / "left.txt", numbers)
    with pytest.raises(DatasetError, match="12 of the 13 frames of left have no image of the other camera: ") as caught:
        make(data, tmp_path / "hints")
    message = str(caught.value)
    assert [number for number in numbers if f"image_03/{number}" in message] == numbers[1:11]
    assert "and 2 more. " in message
    assert not (tmp_path / "hints").exists()


def test_two_views_of_unlike_size(data, tmp_path):
    path = data / "kitti_raw" / DATE / DRIVE / "image_03" / "data" / "0000000001.png"
    assert cv2.imwrite(str(path), texture(20, 30))
    with pytest.raises(DatasetError, match="48x240 and 20x30 pixels"):
        make(data, tmp_path / "hints")


def test_a_full_disk_keeps_what_is_finished(data, tmp_path, monkeypatch):
    out = tmp_path / "hints"
    save = np.save

    def full(file, array) -> None:
        if Path(file.name).name.startswith(".0000000005"):
            file.write(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        save(file, array)

    monkeypatch.setattr(hints.np, "save", full)
    with pytest.raises(TrainingError, match=r"0000000005\.npy: .* cannot be written \(No space left on device\)"):
        make(data, out, jobs=1)
    files = sorted(path for path in out.rglob("*") if path.is_file())
    assert files == [path_of(out, 0), path_of(out, 1)]


def test_little_room_is_told_before_the_work_begins(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(hints.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    make(data, tmp_path / "hints")
    assert "has 0.0 MB left, and the hints take 0.1 MB" in capsys.readouterr().err


@pytest.mark.parametrize("camera", ["image_00", "image_04"])
def test_frames_of_other_cameras_are_refused(camera, data, tmp_path):
    (data / "list.txt").write_text(f"{DRIVE}/{camera}/0000000000\n")
    with pytest.raises((TrainingError, SplitError), match=camera):
        make(data, tmp_path / "hints", "list.txt")


def test_lists_of_other_data_sets_are_refused(data, tmp_path):
    (data / "list.txt").write_text("09 0 l\n")
    assert read_list(data / "list.txt").dataset == "kitti_odometry"
    with pytest.raises(
        TrainingError, match="list: frames of kitti_odometry; depth hints are made from the stereo pairs of kitti"
    ):
        make(data, tmp_path / "hints", "list.txt")


@pytest.mark.parametrize("size", [(2, 240), (48, 160), (48, 20000)])
def test_a_size_that_cannot_be_matched(size, data, tmp_path):
    with pytest.raises(OptionError, match="the matchers look 160 pixels far"):
        make(data, tmp_path / "hints", size=size)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((48, 240), np.float32),
        np.zeros((1, 48, 240)),
        np.zeros((2, 4, 4), np.float32),
        np.zeros((1, 0, 0), np.float32),
        np.zeros((0, 4, 4), np.float32),
    ],
)
def test_an_array_that_is_no_hint_is_refused(array, tmp_path):
    np.save(tmp_path / "hint.npy", array)
    with pytest.raises(TrainingError, match=r"hint\.npy: the depth hint is float.* expected float32 of shape"):
        read_hint(tmp_path / "hint.npy")


def test_a_missing_or_truncated_hint_is_refused(tmp_path):
    path = tmp_path / "hint.npy"
    with pytest.raises(TrainingError, match="cannot be read"):
        read_hint(path)
    np.save(path, np.zeros((1, 4, 4), np.float32))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(TrainingError, match="cannot be read"):
        read_hint(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.5])
def test_values_that_are_no_depths_are_counted(value, tmp_path):
    depth = np.ones((1, 4, 5), np.float32)
    depth[0, 2, 1:3] = value
    depth[0, 0] = 0  # no hint there, which is fine
    np.save(tmp_path / "hint.npy", depth)
    with pytest.raises(TrainingError, match=r"hint\.npy: 2 of the 20 values of the depth hint are negative, infinite or NaN"):
        read_hint(tmp_path / "hint.npy")


def test_a_file_with_bytes_after_its_end_is_made_again(data, tmp_path):
    out = tmp_path / "hints"
    make(data, out)
    whole = path_of(out, 1).read_bytes()
    path_of(out, 1).write_bytes(whole + b"more")
    with pytest.raises(TrainingError, match=f"the file has {len(whole) + 4} bytes, its header says {len(whole)}"):
        read_hint(path_of(out, 1))
    assert make(data, out).made == 1
    assert path_of(out, 1).read_bytes() == whole


def test_hints_are_described(tmp_path):
    hints = np.zeros((2, 8, 8), np.float32)
    hints[:, :4] = [[[2]], [[3]]]
    line = f"{tmp_path}: 2 depth hints, 50% of the pixels have one, median 2.5 units, which is 13.5 m"
    assert describe_hints(tmp_path, hints) == line
    metres = describe_hints(tmp_path, 5.4 * hints)
    assert metres.startswith(
        f"note: {tmp_path}: 2 depth hints, 50% of the pixels have one, median 13.5 units, which is 72.9 m: "
    )
    assert metres.endswith("those in metres have to be divided by 5.4")


def test_hints_that_are_zero_everywhere_are_refused(tmp_path):
    zero = np.zeros((2, 8, 8), np.float32)
    with pytest.raises(TrainingError, match=r"the 2 depth hints are 0 everywhere.*without hints"):
        describe_hints(tmp_path, zero)
    zero[1, 3, 3] = 1  # between the rows and columns that are looked at
    assert describe_hints(tmp_path, zero) == f"{tmp_path}: 2 depth hints, 0% of the pixels have one"


def test_what_is_cached_is_described_and_checked(data, tmp_path, capsys):
    out = tmp_path / "hints"
    make(data, out)
    samples = find_samples(read_list(data / "left.txt"), data, context=(), stereo=True)
    for _ in range(2):  # made, and opened again
        open_cache(tmp_path / "cache", samples, size=(24, 120), hints=out)
        assert f"{out}: 3 depth hints, " in capsys.readouterr().err
    open_cache(tmp_path / "cache", samples, size=(24, 120), hints=out, quiet=True)
    assert capsys.readouterr().err == ""
    depth = np.load(path_of(out, 5))
    depth[0, 1, 1] = np.nan  # a pixel that the resized hint does not have
    np.save(path_of(out, 5), depth)
    with pytest.raises(TrainingError, match=r"0000000005\.npy: 1 of the 11520 values"):
        open_cache(tmp_path / "cache", samples, size=(24, 120), hints=out, quiet=True)


@pytest.mark.golden
def test_hints_of_a_real_pair_are_taken_for_what_they_are(real_data):
    folder = real_data / "kitti_raw/2011_09_26/2011_09_26_drive_0001_sync"
    left, right = (cv2.imread(str(folder / camera / "data/0000000005.png"))[..., ::-1] for camera in ("image_02", "image_03"))
    depth = hint(*(cv2.resize(image, (1024, 320), interpolation=cv2.INTER_AREA) for image in (left, right)))[None]
    assert not describe_hints(folder, depth).startswith("note")
    assert describe_hints(folder, 5.4 * depth).startswith("note")


def test_a_full_disk_without_a_reason(data, tmp_path, monkeypatch):
    def short(file, array) -> None:
        raise OSError("12288 requested and 5088 written")

    monkeypatch.setattr(hints.np, "save", short)
    with pytest.raises(
        TrainingError, match="cannot be written \\(the disk is full, or a limit on the size of files is reached"
    ):
        make(data, tmp_path / "hints", jobs=1)


def test_the_command(data, tmp_path, run):
    out = tmp_path / "hints"
    words = ["hints", "--split", data / "left.txt", "--data", data, "--out", out, "--size", "48x240"]
    done = run(*words, "--jobs", "2")
    assert done.code == 0
    assert "3 hints of 48x240" in done.err
    assert len(list(out.rglob("*.npy"))) == 3
    assert run(*words[:-1], "48x100").code == 2
    assert run(*words[:-1], "48").code == 2
    assert run("hints", "--data", data, "--out", out).code == 2
