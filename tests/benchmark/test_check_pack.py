"""`depthbench check PACK.zip` without ground truth: every defect by a pack that has it alone."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command import Run
from numpy.typing import NDArray

from benchmark.check_pack import TITLES, check_pack
from benchmark.errors import PredictionError
from benchmark.io.submissions import encode_png16, write_pack

Image = NDArray[np.uint16]
COUNT = 12


def image(i: int, shape: tuple[int, int] = (48, 96)) -> Image:
    """A street of its own: 8 to 60 m, nearer below."""
    rng = np.random.default_rng(i)
    ramp = np.linspace(60, 8, shape[0])[:, None] * (1 + 0.1 * np.sin(np.linspace(i, i + 6, shape[1])))
    return np.rint(ramp * rng.uniform(0.95, 1.05, shape) * 256).astype(np.uint16)


def pack(path: Path, make: Callable[[int], Image] = image, *, form: str = "ddad_challenge", count: int = COUNT) -> Path:
    write_pack(path, form, lambda i: encode_png16(make(i)), count=count)
    return path


def verdicts(path: Path) -> dict[str, str]:
    findings = check_pack(path, count=COUNT)
    assert [f.defect for f in findings] == [*TITLES]
    assert all("\n" not in f.message for f in findings)
    return {f.defect: f.verdict for f in findings if f.verdict != "fine"}


def with_pixel(value: int, *, only: int = 7) -> Callable[[int], Image]:
    def make(i: int) -> Image:
        made = image(i)
        made[2, 3] = value if i == only else made[2, 3]
        return made

    return make


def test_a_good_pack_is_fine(tmp_path: Path) -> None:
    assert verdicts(pack(tmp_path / "p.zip")) == {}
    (form, *_) = check_pack(tmp_path / "p.zip", count=COUNT)
    assert form.message == "12 images of 48x96 for the DDAD challenge"


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (with_pixel(0), {"holes": "refuse"}),
        (with_pixel(65535), {"overrun": "warn"}),
        (
            lambda i: np.zeros((48, 96), np.uint16),
            {"holes": "refuse", "metres": "not judged", "constant": "warn"},
        ),
        (
            lambda i: np.full((48, 96), 65535, np.uint16),
            {"overrun": "warn", "metres": "not judged", "constant": "warn", "prior": "warn"},
        ),
        (lambda i: image(i) if i != 4 else np.full((48, 96), 2560, np.uint16), {"constant": "warn"}),
        (lambda i: image(0), {"prior": "warn"}),
        (lambda i: (image(i) // 256).astype(np.uint16), {"metres": "warn", "eight_bit": "warn"}),
        (lambda i: (image(i) // 1024 * 1024 + 1).astype(np.uint16), {"eight_bit": "warn"}),
    ],
)  # fmt: skip
def test_each_defect(tmp_path: Path, make: Callable[[int], Image], found: dict[str, str]) -> None:
    assert verdicts(pack(tmp_path / "p.zip", make)) == found


def test_what_cannot_be_read_is_not_judged(tmp_path: Path) -> None:
    pack(tmp_path / "short.zip", count=COUNT - 1)
    (tmp_path / "cut.zip").write_bytes(pack(tmp_path / "p.zip").read_bytes()[:-9])
    with zipfile.ZipFile(tmp_path / "nested.zip", "w") as archive:
        for i in range(COUNT):
            archive.writestr(f"pack/{i:06d}.png", encode_png16(image(i)))
    with zipfile.ZipFile(tmp_path / "broken.zip", "w") as archive:
        for i in range(COUNT):
            content = encode_png16(image(i))
            archive.writestr(f"{i:06d}.png", content[:-40] if i == 5 else content)
    for name, said in {
        "short": "1 is missing, the first is 000011.png",
        "cut": "cannot be opened as a zip",
        "nested": "'pack/000000.png' lies in a sub-folder, where the servers find nothing",
        "broken": "000005.png: the PNG is cut short",
    }.items():
        assert verdicts(tmp_path / f"{name}.zip") == {"form": "refuse", **dict.fromkeys([*TITLES][1:], "not judged")}
        assert said in check_pack(tmp_path / f"{name}.zip", count=COUNT)[0].message
    with pytest.raises(PredictionError, match=r"none\.zip: no such file; expected a pack"):
        check_pack(tmp_path / "none.zip")


def test_65535_is_refused_where_the_server_divides_it_alone(tmp_path: Path) -> None:
    path = pack(tmp_path / "p.zip", lambda i: np.full((352, 1216), 65535 - (i > 0), np.uint16), form="kitti_benchmark")
    assert {f.defect: f.verdict for f in check_pack(path, count=COUNT)}["overrun"] == "refuse"


def test_upright_images_are_refused(tmp_path: Path) -> None:
    form, *_ = check_pack(pack(tmp_path / "p.zip", lambda i: image(i).T), count=COUNT)
    assert (form.verdict, form.evidence) == ("refuse", {"images": COUNT})
    assert "000000.png has 96 rows of 48 pixels" in form.message


def test_command(tmp_path: Path, run: Run) -> None:
    good = pack(tmp_path / "good.zip", lambda i: image(i, (24, 48)), count=3080)
    done = run("check", good)
    assert (done.code, done.err) == (0, "")
    assert "3080 images of 24x48 for the DDAD challenge" in done.out
    assert done.out.endswith("8 fine\n")
    short = pack(tmp_path / "short.zip")
    done = run("check", short, "--json")
    assert done.code == 1
    assert [(row["defect"], row["verdict"]) for row in json.loads(done.out)][:2] == [
        ("form", "refuse"),
        ("holes", "not judged"),
    ]
    assert done.err.count("\n") == 1
    assert "short.zip: refused (form): a score would mean nothing" in done.err
    np.save(tmp_path / "a.npy", np.ones((3, 4, 5), np.float32))
    assert run("check", short, "--count", COUNT).code == 0
    assert run("check", tmp_path / "none.zip").out == ""
    for words in ((tmp_path / "a.npy",), (short, "--kind", "depth"), (short, "--protocol", "ddad_challenge_self")):
        done = run("check", *words)
        assert (done.code, "--gt FILE is missing" in done.err) == (2, True)
