"""The command names the folder that hides our packages; it neither runs their code nor shows a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.shadow import HOUSE, ShadowedError, check_not_shadowed

START = "from depthbench_launcher import main; main()"


def run_command(*arguments: str, path: list[Path], cwd: Path) -> subprocess.CompletedProcess[str]:
    """The console script in another process: -P leaves the current folder off the search path, as a script does."""
    return subprocess.run(
        [sys.executable, "-P", "-c", START, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ["benchmark", "splits", "datasets_prep"])
def test_a_package_of_the_same_name_is_named_with_exit_1(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("raise SystemExit('their code ran')\n")
    done = run_command("--help", path=[tmp_path, HOUSE], cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"depthbench: the folder {tmp_path / name} hides depthbench's own package `{name}`")
    assert done.stderr.count("\n") == 1


def test_a_single_file_of_the_same_name_is_named(tmp_path: Path) -> None:
    (tmp_path / "benchmark.py").write_text("")
    done = run_command("--help", path=[tmp_path, HOUSE], cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"depthbench: the file {tmp_path / 'benchmark.py'} hides")


@pytest.mark.parametrize("on_path", [False, True])
def test_folders_that_hide_nothing_are_left_alone(tmp_path: Path, on_path: bool) -> None:
    for name in ("benchmark", "splits"):
        (tmp_path / name).mkdir()
        if not on_path:
            (tmp_path / name / "__init__.py").write_text("raise SystemExit('their code ran')\n")
    done = run_command("--help", path=[tmp_path, HOUSE] if on_path else [HOUSE], cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_folder_without_init_that_python_takes_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An editable install comes after the whole search path, so that there even a folder without __init__.py wins."""
    (tmp_path / "house" / "splits").mkdir(parents=True)
    (tmp_path / "house" / "splits" / "__init__.py").write_text("")
    (tmp_path / "theirs" / "splits").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "theirs")])
    with pytest.raises(ShadowedError, match="theirs"):
        check_not_shadowed(tmp_path / "house")


def test_this_environment_is_not_shadowed() -> None:
    check_not_shadowed()
