"""Where the command `depthbench` starts. Outside the packages, because a shadowed package cannot say that it is."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run our command, wherever Python would look for the packages first; it then says what hides them, if anything does."""
    try:
        from pathlib import Path

        house = str(Path(__file__).resolve().parent)
        sys.path.insert(0, house)
        from benchmark.cli import entry_point

        sys.path.remove(house)
        entry_point()
    except KeyboardInterrupt:  # before `run`, which catches it from there on, was imported
        sys.stderr.write("\ndepthbench: interrupted\n")
        sys.stderr.flush()
        os._exit(130)


if __name__ == "__main__":
    main()
