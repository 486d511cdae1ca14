"""Who may import whom, where the packages come from, and what pyproject.toml promises about versions."""

import ast
import importlib
import os
import re
import sysconfig
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "benchmark": set(),
    "datasets_prep": {"benchmark"},
    "leaderboard": {"benchmark"},
    "baselines": {"benchmark", "datasets_prep", "torch", "lightning"},
    "splits": set(),
}
# May import any of ours, inside functions.
COMPOSERS = {
    "benchmark/cli.py", "benchmark/cli_hints.py", "benchmark/cli_predict.py", "benchmark/cli_training.py",
    "benchmark/cli_weights.py", "benchmark/quickstart.py", "benchmark/quickstart_commands.py",
    "benchmark/quickstart_pictures.py", "benchmark/quickstart_sections.py", "benchmark/quickstart_training.py",
}  # fmt: skip
OURS = set(MAY_IMPORT)
WATCHED = OURS | {"torch", "lightning", "evo"}  # evo is under the GPL: an oracle of the tests, nothing more
PACKAGES = [name for name in MAY_IMPORT if (ROOT / name).is_dir()]
IMPORTERS = {"import_module", "__import__", "run_module", "find_spec"}


def imported_names(node: ast.AST, inside: str) -> list[str]:
    """The absolute module names that one statement or call imports; `inside` is the package of a relative import."""
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=module, level=0):
            return [module] if module else []
        case ast.ImportFrom():
            return [inside]
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[ast.Constant(value=str(text)), *_]):
            return [text] if name in IMPORTERS else []
    return []


def forbidden_imports(source: str, relative: str) -> list[str]:
    """'file:line imports name' for every import in `source` that the layers forbid to the file `relative`."""
    package = relative.split("/", maxsplit=1)[0]
    tree = ast.parse(source)
    in_functions = {
        id(inner)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(outer)
    }
    found = []
    for node in ast.walk(tree):
        composes = relative in COMPOSERS and id(node) in in_functions
        allowed = MAY_IMPORT[package] | {package} | (OURS if composes else set())
        tops = {name.split(".")[0] for name in imported_names(node, package)}
        found += [f"{relative}:{node.lineno} imports {top}" for top in sorted((tops & WATCHED) - allowed)]
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_follow_the_layers(package: str) -> None:
    paths = sorted((ROOT / package).rglob("*.py"))
    assert paths, f"{package}/ holds no Python file"
    found = [forbidden_imports(path.read_text("utf-8"), path.relative_to(ROOT).as_posix()) for path in paths]
    assert [line for lines in found for line in lines] == []


@pytest.mark.parametrize(
    ("relative", "source", "count"),
    [
        ("benchmark/masks.py", "import torch", 1),
        ("benchmark/masks.py", "import evo.core.metrics", 1),
        ("benchmark/masks.py", "def f():\n    from datasets_prep import kitti_raw", 1),
        ("benchmark/masks.py", "import importlib\nimportlib.import_module('datasets_prep.kitti_raw')", 1),
        ("benchmark/masks.py", "from importlib import import_module\nimport_module('torch.nn')", 1),
        ("benchmark/masks.py", "from .errors import SplitError\nimport benchmark.io\nimport numpy", 0),
        ("benchmark/masks.py", "from importlib.resources import files\nfiles('splits')", 0),
        ("benchmark/cli.py", "import datasets_prep", 1),
        ("benchmark/cli.py", "def verb():\n    from datasets_prep import export_gt", 0),
        ("benchmark/cli.py", "def verb():\n    import torch", 1),
        ("datasets_prep/ddad.py", "import benchmark.splits", 0),
        ("datasets_prep/ddad.py", "import baselines", 1),
        ("baselines/train.py", "import torch, lightning.fabric, datasets_prep, benchmark", 0),
        ("baselines/train.py", "import leaderboard", 1),
    ],
)
def test_the_import_rule_itself(relative: str, source: str, count: int) -> None:
    assert len(forbidden_imports(source, relative)) == count


@pytest.mark.parametrize("package", PACKAGES)
def test_every_folder_with_python_files_is_a_package(package: str) -> None:
    folders = {path.parent for path in (ROOT / package).rglob("*.py")} | {ROOT / package}
    assert [str(folder) for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_the_package_comes_from_where_it_should(package: str) -> None:
    """This checkout, or site-packages alone where tox -e wheel says that the wheel is what is tested."""
    home = Path(sysconfig.get_path("purelib")) if os.environ.get("DEPTHBENCH_TESTS_WHEEL") else ROOT
    assert Path(str(importlib.import_module(package).__file__)).parent.resolve() == (home / package).resolve()


@pytest.mark.parametrize("package", PACKAGES)
def test_an_installation_carries_every_data_file(package: str) -> None:
    """Every file of a package folder in the checkout is beside the imported package too, with the same bytes."""
    home = Path(str(importlib.import_module(package).__file__)).parent
    files = [path for path in (ROOT / package).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    pairs = [(path, home / path.relative_to(ROOT / package)) for path in files if not path.name.startswith(".")]
    assert pairs
    assert [str(path) for path, installed in pairs if not installed.is_file()] == []
    assert [str(path) for path, installed in pairs if installed.read_bytes() != path.read_bytes()] == []


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(name: str) -> dict[str, str]:
    lines = [line for line in (ROOT / name).read_text("utf-8").splitlines() if line and not line.startswith("#")]
    return {normalised(package): version for package, version in (line.split("==") for line in lines)}


def release(version: str, digits: int) -> tuple[int, ...]:
    parts = [int(part) for part in version.split(".")]
    return tuple(parts + [0] * (digits - len(parts)))


def test_the_lower_bounds_are_what_tox_oldest_installs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["test"]
    bounds = {normalised(name): version for name, version in (line.split(">=") for line in wanted)}
    oldest = pins("constraints-oldest.txt")
    assert {name: release(version, 4) for name, version in oldest.items()} == {
        name: release(version, 4) for name, version in bounds.items()
    }


def test_the_constraints_pin_every_declared_dependency_and_torch() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = sum(project["optional-dependencies"].values(), project["dependencies"])
    names = {normalised(re.split(r"[<>=\[; ]", line)[0]) for line in wanted}
    newest = pins("constraints.txt")
    names.remove("depthbench")  # the extra `tox` names others of its own
    assert names - set(newest) == set()
    assert newest["torch"] == "2.13.0"
