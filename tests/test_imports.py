"""What an import costs: modules that must not be loaded on the scoring path and before the command knows its verb."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def tops_after(statement: str) -> set[str]:
    """The top-level names in sys.modules after a statement in a fresh interpreter that finds what this one finds."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("module", ["benchmark.evaluate_depth", "benchmark.splits", "benchmark.protocol"])
def test_scoring_imports_neither_torch_nor_pandas_nor_cv2(module: str) -> None:
    loaded = tops_after(f"import {module}")
    assert "benchmark" in loaded
    assert loaded & {"torch", "pandas", "cv2", "lightning"} == set()


HELP = """
import contextlib, io, runpy, sys
sys.argv = ["depthbench", "--help"]
with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):
    runpy.run_module("{module}", run_name="__main__")
assert "Usage" in said.getvalue()
"""


@pytest.mark.parametrize("module", ["benchmark.cli", "depthbench_launcher"])
def test_help_imports_nothing_heavy(module: str) -> None:
    loaded = tops_after(HELP.format(module=module))
    heavy = {"numba", "h5py", "scipy", "cv2", "pandas", "matplotlib", "torch", "joblib", "jsonschema", "numpy"}
    assert loaded & heavy == set()
