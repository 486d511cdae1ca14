"""Whether the methods learn on the street world: `tox -e train [-- --out DIR] [RUN ...]`.

Renders the world, makes hints, trains every run by the command that a user types (two at a time, one core each), scores them
on drives that none has seen against the per-pixel median of the training drives, and writes a table and the curves. What is
there already is not done again. Exit 1 where a bar is missed.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from curves import draw  # noqa: E402
from parts import CLASSES, METRES, PROTOCOL, SPLIT, WHOLE, abs_rel  # noqa: E402

from benchmark.evaluate_depth import evaluate_depth  # noqa: E402
from benchmark.io.ground_truth_hdf5 import read_hdf5  # noqa: E402
from benchmark.io.predictions import read_predictions  # noqa: E402
from benchmark.matching import match  # noqa: E402
from benchmark.protocol import load_protocol  # noqa: E402
from benchmark.splits import load_split  # noqa: E402

TRAIN, VAL = "world_drives/train", "world_drives/val"
LONGEST_S = 15 * 60


class Run(NamedTuple):
    """One training: its recipe and seed, how much of the median map's error it may have, the run it starts from."""

    recipe: str
    seed: int
    bar: float
    after: str | None = None

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.recipe if self.seed == 0 else f"{self.recipe}_seed{self.seed}"

    @property
    def metric(self) -> bool:
        """Whether it knows the baseline of a stereo pair, and so metres."""
        return self.recipe not in {"world_m", "world_m_from_ms"}


RUNS = (
    Run("world_ms", 0, 0.8), Run("world_m", 0, 0.9), Run("world_m", 1, 0.9), Run("world_m", 2, 0.9),
    Run("world_m_from_ms", 0, 0.9, "world_ms"), Run("world_s", 0, 0.6), Run("world_s", 1, 0.6), Run("world_s", 2, 0.6),
    Run("world_dh_s", 0, 0.6),
)  # fmt: skip


def main() -> int:
    """Do all of it; 1 where a bar is missed."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--out", type=Path, default=Path("train-report"))
    arguments.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    arguments.add_argument("names", nargs="*", metavar="RUN")
    chosen = arguments.parse_args()
    out: Path = chosen.out.resolve()
    runs = [run for run in RUNS if not chosen.names or run.name in chosen.names]
    prepare(out, hints=any(run.recipe == "world_dh_s" for run in runs))
    waves = ([run for run in runs if run.after is None], [run for run in runs if run.after is not None])
    for wave in waves:
        with ThreadPoolExecutor(chosen.jobs) as pool:
            list(pool.map(lambda run: train(run, out), wave))
    scores = {run.name: score(run, out) for run in runs}
    prior = abs_rel(out / "median_map.npy", out / "gt_test.h5", out / "world", factor=1.0)
    lines, missed = report(runs, scores, prior, out)
    (out / "report.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    draw({run.name: out / run.name / "log.csv" for run in runs}, prior_on_validation(out), out / "curves.png")
    print("\n".join([*lines, *(f"MISSED {one}" for one in missed)]))
    return 1 if missed else 0


def command(*words: object, log: Path) -> float:
    """One `depthbench` command on one core; its wall seconds. Its words go to a file."""
    started = time.perf_counter()
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parents[1])}
    print(f"depthbench {' '.join(map(str, words))}", flush=True)
    with log.open("a", encoding="utf-8") as file:
        line = [sys.executable, "-m", "benchmark.cli", *map(str, words)]
        done = subprocess.run(line, stdout=file, stderr=subprocess.STDOUT, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"train: depthbench {' '.join(map(str, words))} failed; its words are in {log}")
    return time.perf_counter() - started


def prepare(out: Path, *, hints: bool) -> None:
    """The world, its ground truth, the prior, and the hints."""
    out.mkdir(parents=True, exist_ok=True)
    world, log = out / "world", out / "prepare.log"
    splits = [word for split in (TRAIN, VAL, SPLIT) for word in ("--split", split)]
    command("datasets", "render", "--out", world, *splits, log=log)
    for split, name in ((SPLIT, "gt_test.h5"), (VAL, "gt_val.h5"), (TRAIN, "gt_train.h5")):
        if not (out / name).is_file():
            command("export_gt", "--dataset", "kitti_depth", "--data", world, "--split", split, "--out", out / name, log=log)
    for split, name in ((SPLIT, "median_map.npy"), (VAL, "median_map_val.npy")):
        if not (out / name).is_file():
            prior = ("predict", "median_map", "--split", split, "--train-gt", out / "gt_train.h5", "--out", out / name)
            command(*prior, log=log)
    if hints:
        # At the size of the rendered images: five times faster than at the published 320x1024, and no less exact here.
        command("hints", "--split", TRAIN, "--data", world, "--out", out / "hints", "--size", "192x640", log=log)


def train(run: Run, out: Path) -> None:
    """Train unless it is done."""
    folder, done = out / run.name, out / f"{run.name}.json"
    if done.is_file():
        return
    options = ["--data", out / "world", "--out", folder, "--seed", run.seed, "--cache", out / "cache", "--device", "cpu"]
    options += ["--hints", out / "hints"] if run.recipe == "world_dh_s" else []
    options += ["--resume"] if (folder / "models" / "last").is_dir() else []
    seconds = command("retrain", run.recipe, *options, log=out / f"{run.name}.log")
    done.write_text(json.dumps({"seconds": seconds}))


def score(run: Run, out: Path) -> dict[tuple[str, str], float]:
    """abs_rel by (part, scaling) on the test drives."""
    pred = out / run.name / "test.npy"
    options = ["--data", out / "world", "--out", pred, "--device", "cpu"]
    command("predict", out / run.name, "--split", SPLIT, *options, log=out / f"{run.name}.log")
    return abs_rel(pred, out / "gt_test.h5", out / "world", factor=METRES)


def prior_on_validation(out: Path) -> float:
    """Median-scaled abs_rel of the median map on the validation frames."""
    split, truth = load_split(VAL), read_hdf5(out / "gt_val.h5")
    predictions = read_predictions(out / "median_map_val.npy", split.frame_ids)
    joined = match(truth, predictions, split=split, pred_split=split)
    return float(
        evaluate_depth(truth, predictions, load_protocol(PROTOCOL), match=joined, kind="depth").values["abs_rel"].mean()
    )


def report(
    runs: list[Run], scores: dict[str, dict[tuple[str, str], float]], prior: dict[tuple[str, str], float], out: Path
) -> tuple[list[str], list[str]]:
    """The table in Markdown, and what missed its bar."""
    parts = [*WHOLE, *CLASSES]
    rows = [["median map", "", rule, *(f"{prior[part, rule]:.3f}" for part in parts)] for rule in ("median", "raw")]
    missed = []
    for run in runs:
        minutes = json.loads((out / f"{run.name}.json").read_text())["seconds"] / 60
        for rule in ("median", "raw") if run.metric else ("median",):
            own = {part: scores[run.name][part, rule] for part in parts}
            rows.append([run.name, f"{minutes:.1f}", rule, *(f"{value:.3f}" for value in own.values())])
            limits = {part: run.bar * prior[part, rule] for part in WHOLE}
            missed += [
                f"{run.name}: {part}, {rule}: {own[part]:.3f}, at most {limit:.3f}"
                for part, limit in limits.items()
                if not own[part] <= limit
            ]
        if minutes * 60 > LONGEST_S:
            missed.append(f"{run.name}: {minutes:.1f} minutes, at most {LONGEST_S / 60:.0f}")
    missed += hints_help(runs, scores)
    head = ["run", "minutes", "scaling", *parts]
    table = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
    about = f"abs_rel under {PROTOCOL} on {SPLIT}; one core a run, two runs at a time."
    return [about, "", *table], missed


def hints_help(runs: list[Run], scores: dict[str, dict[tuple[str, str], float]]) -> list[str]:
    """Where Depth Hints is worse than the mean of its method without hints, at equal steps."""
    plain = [scores[run.name] for run in runs if run.recipe == "world_s"]
    if "world_dh_s" not in scores or not plain:
        return []
    return [
        f"world_dh_s: {part}, {rule}: {scores['world_dh_s'][part, rule]:.3f}, world_s {mean:.3f}"
        for part in WHOLE
        for rule in ("median", "raw")
        if scores["world_dh_s"][part, rule] > (mean := sum(one[part, rule] for one in plain) / len(plain))
    ]


if __name__ == "__main__":
    sys.exit(main())
