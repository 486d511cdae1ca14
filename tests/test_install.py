"""A regular and an editable installation of a copy of this checkout, with spaces and familiar names in the way."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmark.io.ground_truth import Header, sparsify
from benchmark.io.ground_truth_hdf5 import write_hdf5
from benchmark.splits import load_split
from datasets_prep.kitti_raw import DATE_SIZES

ROOT = Path(__file__).resolve().parents[1]
LEFT_OUT = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__")
FLAGS = {"regular": [], "editable": ["-e"]}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def run(*command: object, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**inherited, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module", params=FLAGS)
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The kind of installation and its folder of commands; the declared dependencies are there and nothing else."""
    home = tmp_path_factory.mktemp("a home with spaces")
    shutil.copytree(ROOT, home / "the checkout", ignore=LEFT_OUT)
    made = run(sys.executable, "-m", "venv", home / "an environment", cwd=home)
    assert made.returncode == 0, made.stderr
    commands = home / "an environment" / ("Scripts" if os.name == "nt" else "bin")
    pip = [commands / "python", "-m", "pip", "install", "-c", home / "the checkout" / "constraints.txt"]
    done = run(*pip, *FLAGS[request.param], home / "the checkout", cwd=home)
    assert done.returncode == 0, done.stdout + done.stderr
    yield request.param, commands
    shutil.rmtree(home)


@pytest.fixture
def awkward(tmp_path: Path) -> Path:
    """A user's folder that has packages `benchmark` and `splits` of its own."""
    folder = tmp_path / "my project"
    for name in ("benchmark", "splits"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("raise SystemExit('their code ran')\n")
    return folder


def test_the_command_runs_beside_folders_of_the_same_names(installed: tuple[str, Path], awkward: Path) -> None:
    version = run(installed[1] / "depthbench", "--version", cwd=awkward)
    assert (version.returncode, version.stderr) == (0, "")
    assert version.stdout.startswith("depthbench")
    verified = run(installed[1] / "depthbench", "splits", "verify", cwd=awkward)
    assert verified.returncode == 0, verified.stderr
    assert "kitti_eigen/test" in verified.stdout


def test_a_folder_that_does_hide_ours_is_named(installed: tuple[str, Path], awkward: Path) -> None:
    done = run(installed[1] / "depthbench", "--version", cwd=awkward, PYTHONPATH=str(awkward))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"depthbench: the folder {awkward / 'benchmark'} hides")


def test_folders_without_init_hide_an_editable_installation_only(installed: tuple[str, Path], awkward: Path) -> None:
    for name in ("benchmark", "splits"):
        (awkward / name / "__init__.py").unlink()
    done = run(installed[1] / "depthbench", "--version", cwd=awkward, PYTHONPATH=str(awkward))
    assert done.returncode == {"regular": 0, "editable": 1}[installed[0]]
    assert ("hides" in done.stderr) == (installed[0] == "editable")


def test_a_bare_checkout_works_by_pythonpath(installed: tuple[str, Path], tmp_path: Path) -> None:
    copy = shutil.copytree(ROOT, tmp_path / "bare checkout", ignore=LEFT_OUT)
    where = "import benchmark, splits; print(benchmark.__file__, splits.__file__)"
    found = run(installed[1] / "python", "-c", where, cwd=tmp_path, PYTHONPATH=str(copy))
    assert found.stdout.split("\n")[0] == f"{copy / 'benchmark' / '__init__.py'} {copy / 'splits' / '__init__.py'}"
    done = run(installed[1] / "python", "-m", "benchmark.cli", "splits", "verify", cwd=tmp_path, PYTHONPATH=str(copy))
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def small_case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ground truth of 40 points a frame, 30 at 10 m and 10 at 20 m, for all 697 frames, and a constant disparity."""
    folder = tmp_path_factory.mktemp("a small case")
    split = load_split("kitti_eigen/test")
    header = Header(split.dataset, split.name, split.sha256, "lidar_forward_x", split.frame_ids)
    depth = np.repeat(np.float32([10, 20]), [30, 10])
    parts = []
    for frame in split.frames:
        image = np.zeros(DATE_SIZES[frame.drive[:10]], np.float32)
        image[250, 100:140] = depth
        parts.append(sparsify([image], np.eye(3)))
    write_hdf5(folder / "gt.h5", header, parts)
    np.save(folder / "disps.npy", np.full((697, 6, 20), 0.1, np.float32))
    return folder


def test_scoring_from_an_awkward_folder(installed: tuple[str, Path], awkward: Path, small_case: Path) -> None:
    """A quarter of the points is wrong by half: abs_rel is 1/8."""
    arguments = [small_case / "disps.npy", "--gt", small_case / "gt.h5", "--protocol", "kitti_eigen", "--json"]
    done = run(installed[1] / "depthbench", "evaluate", *arguments, cwd=awkward)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)[0]
    assert record["n_images"] == 697
    assert record["metrics"]["abs_rel"]["mean"] == pytest.approx(0.125, abs=1e-6)
