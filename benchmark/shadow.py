"""Are the packages that Python finds ours? Other folders are called `benchmark` and `splits` too.

Standard library and benchmark.errors alone: the command asks this before it imports anything else.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

from benchmark.errors import InputError

HOUSE = Path(__file__).resolve().parents[1]  # the checkout, or site-packages
PACKAGES = ("benchmark", "datasets_prep", "baselines", "leaderboard", "splits")


class ShadowedError(InputError):
    """A folder or file earlier on Python's search path has the name of one of our packages."""


def check_not_shadowed(house: Path = HOUSE) -> None:
    """Raise ShadowedError when an import of one of the packages in `house` would find something else."""
    for name in PACKAGES:
        ours = house / name
        found = _location(name) if (ours / "__init__.py").is_file() else None
        if found is not None and found.resolve() != ours.resolve():
            raise ShadowedError(_message(name, found, ours))


def _location(name: str) -> Path | None:
    """The folder or the single file that a fresh `import name` would take; what is already imported has no say."""
    for finder in sys.meta_path:
        spec: ModuleSpec | None = finder.find_spec(name, None)
        if spec is not None:
            return _place(spec)
    return None


def _place(spec: ModuleSpec) -> Path | None:
    """The package folder of a spec, or its file when it is a module; a folder without __init__.py counts as well."""
    if spec.submodule_search_locations is not None:
        return next((Path(entry) for entry in spec.submodule_search_locations), None)
    return Path(spec.origin) if spec.origin else None


def _message(name: str, found: Path, ours: Path) -> str:
    kind = "folder" if found.is_dir() else "file"
    return (
        f"the {kind} {found} hides depthbench's own package `{name}` ({ours}), because {found.parent} comes earlier on "
        f"Python's search path. Start the command `depthbench` with {found.parent} not in PYTHONPATH, "
        f"start it from another folder, or rename that {kind}."
    )
