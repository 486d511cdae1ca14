"""Where the command `depthbench` starts. Outside the packages, because a shadowed package cannot say that it is."""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    """Run our command, wherever Python would look for the packages first; it then says what hides them, if anything does."""
    house = str(Path(__file__).resolve().parent)
    sys.path.insert(0, house)
    from benchmark.cli import entry_point

    sys.path.remove(house)
    entry_point()


if __name__ == "__main__":
    main()
