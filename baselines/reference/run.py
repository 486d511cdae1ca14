"""Train a recipe with the authors' own code: a temporary copy of it, its data folder, its command line, its log."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import yaml

from baselines.hints import require_hints
from baselines.recipe import Recipe
from baselines.reference import depth_hints, monodepth2
from baselines.reference.data_folder import find_lists, link_images, write_lists
from baselines.reference.fixes import Applied, apply_fixes, copy_code
from baselines.reference.last_weights import MODEL, last_weights
from benchmark.cores import cpu_count
from benchmark.errors import OptionError, TrainingError
from benchmark.io.files import atomic_write
from datasets_prep.progress import say

LIBRARIES = {"torch": "torch", "torchvision": "torchvision", "PIL": "pillow"}  # module and distribution
ASK_VERSIONS = """
import json, sys
found = {}
for module, name in json.loads(sys.argv[1]).items():
    try:
        from importlib.metadata import version
        found[module] = version(name)
    except Exception:  # Python before 3.8, or a package without metadata
        try:
            found[module] = __import__(module).__version__
        except Exception:
            found[module] = None
print(json.dumps(found))
"""
PROGRESS = re.compile(r"^epoch\s+\d+ \| batch")
LAST_LINES = 8
LAST_CHARACTERS = 200  # of each
GRACE_S = 5.0  # less than what docker and batch systems leave between SIGTERM and SIGKILL
LICENCE = "the authors' code is theirs, under their licence (for research, not for commerce); nothing of it is in depthbench"


class Code(NamedTuple):
    """One method's code: files that it has and has not, and the options of its train.py for a recipe."""

    signs: tuple[str, ...]
    not_signs: tuple[str, ...]
    arguments: Callable[..., list[str]]


class Run(NamedTuple):
    """One training in work: the interpreter, the copy of the code, the run's folder."""

    python: str
    copy: Path
    out: Path


def named_checkout(text: str) -> tuple[str, Path]:
    """Code and folder of `monodepth2=DIR`."""
    code, sign, folder = text.partition("=")
    if code not in CODES or not sign or not folder:
        raise OptionError(f"--reference {text}: expected {' or '.join(f'{name}=FOLDER' for name in CODES)}")
    return code, Path(folder)


def run_reference(
    recipe: Recipe, code: str, checkout: Path, *, data: Path | None, out: Path, python: str | None = None,
    hints: Path | None = None, start: Path | None = None, cpu: bool = False,
) -> Path:  # fmt: skip
    """Train with the authors' code; the folder of its last checkpoint, in the published layout that ours have too.

    Args:
        recipe: what to train; a key that the code cannot follow is an error.
        code: one of CODES.
        checkout: the folder with the authors' code, which is only read.
        data: folder that holds the data set, or that folder itself; None is $DEPTHBENCH_DATA.
        out: the run's folder: `reference/` (what the code writes), `reference.log`, `reference.yaml` (what was run and mended).
        python: the interpreter that has what the code imports; None is this one.
        hints: the folder of `depthbench hints`, for Depth Hints.
        start: the checkpoint folder that the recipe starts from, if it does.
        cpu: train without a GPU.

    Raises:
        OptionError: an unknown name of a code, or no such interpreter.
        InputError: checkout, recipe or data do not fit, or the code has failed; the message has the last lines of its log.
    """
    method = _check(code, checkout, out)
    interpreter = _interpreter(python)
    options = method.arguments(recipe, hints=hints, start=start)
    lists = find_lists(recipe, data)
    if recipe.data.hints and hints is not None:
        require_hints(hints, lists)
    versions = _versions(interpreter)
    out.mkdir(parents=True, exist_ok=True)
    with _termination_as_interrupt(), tempfile.TemporaryDirectory(prefix="depthbench-reference-") as temporary:
        run, images = Run(interpreter, Path(temporary) / "code", out), Path(temporary) / "data"
        copy_code(checkout, run.copy)
        applied = apply_fixes(run.copy, versions)
        link_images(lists, images)
        options += [*write_lists(lists, run.copy, batch=recipe.schedule.batch), "--num_workers", str(cpu_count())]
        options += ["--data_path", str(images), "--log_dir", str(out.resolve()), "--model_name", MODEL]
        command = [interpreter, "train.py", *options, *(["--no_cuda"] if cpu else [])]
        _record(run, recipe, checkout, command=command, versions=versions, applied=applied)
        _follow(command, run, checkout)
    weights = last_weights(out)
    if weights is None:
        raise TrainingError(f"{out / MODEL}: the authors' code has ended without a checkpoint; see {out / 'reference.log'}")
    return weights


def _check(code: str, checkout: Path, out: Path) -> Code:
    if code not in CODES:
        raise OptionError(f"--reference {code}: unknown code; known: {', '.join(CODES)}")
    method = CODES[code]
    lacking = [name for name in method.signs if not (checkout / name).is_file()]
    foreign = [name for name in method.not_signs if (checkout / name).is_file()]
    if lacking or foreign:
        what = f"it lacks {', '.join(lacking)}" if lacking else f"it has {', '.join(foreign)}, so it is another method's"
        raise TrainingError(f"{checkout}: not a checkout of the authors' {code} code: {what}; pass --reference {code}=FOLDER")
    if (out / MODEL).exists():
        raise TrainingError(f"{out / MODEL}: another run of the authors' code is there; choose another --out, or remove it")
    return method


def _interpreter(python: str | None) -> str:
    found = shutil.which(python or sys.executable)
    if found is None:
        raise OptionError(f"--python {python}: no such interpreter; pass one that has torch, torchvision and tensorboardX")
    return str(Path(found).absolute())


def _versions(interpreter: str) -> dict[str, str | None]:
    """The versions of the libraries there; None where one cannot be imported, of which the code itself will tell."""
    asked = [interpreter, "-c", ASK_VERSIONS, json.dumps(LIBRARIES)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    try:
        return dict(json.loads(done.stdout.splitlines()[-1]))
    except (IndexError, ValueError) as error:
        what = f"does not run as a Python interpreter (exit code {done.returncode})"
        raise OptionError(f"--python {interpreter}: {what}; pass another one") from error


def _record(
    run: Run, recipe: Recipe, checkout: Path, *, command: list[str], versions: Mapping[str, str | None], applied: list[Applied]
) -> None:
    """Write what is run and what was mended, and say it."""
    content = {
        "recipe": recipe.name, "recipe_sha256": recipe.sha256, "checkout": str(checkout.resolve()), "command": command,
        "versions": dict(versions), "seed": "none, the code has no option for it", "fixes": [fix.text() for fix in applied],
    }  # fmt: skip
    with atomic_write(run.out / "reference.yaml") as file:
        file.write(yaml.safe_dump(content, sort_keys=False, width=1000).encode())
    fixes = [f"{'fixed in a copy' if fix.places else 'NOT FIXED'}: {fix.text()}" for fix in applied]
    for line in (LICENCE, *fixes, f"running {shlex.join(command)}"):
        say(f"reference: {line}")


def _follow(command: list[str], run: Run, checkout: Path) -> None:
    """Run the command: all that it says goes into the log, its lines of progress to stderr as well."""
    path = run.out / "reference.log"
    last: deque[str] = deque(maxlen=LAST_LINES)
    process = subprocess.Popen(
        command, cwd=run.copy, env={**os.environ, "PYTHONUNBUFFERED": "1"}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
    )  # fmt: skip
    try:
        with path.open("w", encoding="utf-8") as log:
            for line in process.stdout or ():
                log.write(line)
                log.flush()
                last.extend([line.strip()[:LAST_CHARACTERS]] if line.strip(" \n^~") else [])
                if PROGRESS.match(line):
                    say(f"reference: {line.rstrip()}")
        code = process.wait()
    finally:
        _end(process)
    if code:
        raise TrainingError(
            f"{checkout}: the authors' code ended with exit code {code}. Its last lines: {' | '.join(last) or 'none'}. All it "
            f"said is in {path}. If it lacks a library, install that for {run.python}, or pass another --python"
        )


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """What batch systems, containers and a closed terminal send counts as Ctrl-C, so that the code ends with us."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)  # another one does not disturb the clearing up
        raise KeyboardInterrupt

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    ours = [number for number in numbers if before[number] is not signal.SIG_IGN]  # nohup ignores one
    # Python lets no other thread set handlers.
    ours = ours if threading.current_thread() is threading.main_thread() else []
    try:
        for number in ours:
            signal.signal(number, interrupt)
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])


def _end(process: subprocess.Popen[str]) -> None:
    """End the process and its loaders, if they still run: an interrupt as from the keyboard first, then without asking."""
    if sys.platform == "win32":  # which has no groups of processes to signal
        process.kill()
    else:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_S)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


CODES = {
    "monodepth2": Code(monodepth2.SIGNS, depth_hints.OWN_SIGNS, monodepth2.arguments),
    "depth_hints": Code((*monodepth2.SIGNS, *depth_hints.OWN_SIGNS), (), depth_hints.arguments),
}
