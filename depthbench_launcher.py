"""Where the command `depthbench` starts. Outside the packages, because a shadowed package cannot say that it is."""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    """Run the command if the packages that Python finds are ours; otherwise name what hides them and exit with 1."""
    house = str(Path(__file__).resolve().parent)
    sys.path.insert(0, house)
    from benchmark.shadow import ShadowedError, check_not_shadowed

    sys.path.remove(house)
    try:
        check_not_shadowed()
    except ShadowedError as error:
        sys.exit(f"depthbench: {error}")
    from benchmark.cli import entry_point

    entry_point()


if __name__ == "__main__":
    main()
