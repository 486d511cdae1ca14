"""The front door: what happens before our own code runs, and the names of the verbs."""

import subprocess
import sys
from pathlib import Path

import pytest
from command import Run

HOUSE = Path(__file__).parent.parent
INTERRUPTED = """
import sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
from depthbench_launcher import main
main()
"""


@pytest.mark.parametrize("name", ["benchmark.cli", "click", "benchmark.entry_point", "tabulate"])
def test_an_interrupt_of_the_first_imports_leaves_no_traceback(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED.format(name=name), "splits", "list"],
        cwd=HOUSE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "\ndepthbench: interrupted\n")


def test_hyphens_are_taken_and_not_suggested(run: Run) -> None:
    assert "depthbench evaluate-pose [OPTIONS] PRED" in run("evaluate-pose", "--help").out
    assert "evaluate-pose" not in run("--help").out
    strange = run("evaluate-poses")
    assert strange.code == 2
    assert "No such command 'evaluate-poses'." in strange.err
    assert "'evaluate-pose'" not in strange.err
