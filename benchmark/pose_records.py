"""Scored trajectories -> the records of a protocol: means over its sequences, what made them, and what to be careful about."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark.errors import ResultError
from benchmark.evaluate_pose import PoseRow, mean_rows
from benchmark.io.files import is_temporary, sha256_of
from benchmark.metrics.pose import POSE_METRICS
from benchmark.pose_directions import Direction
from benchmark.pose_protocol import PoseProtocol, is_snippet_metric
from benchmark.protocol import FOLDER
from benchmark.provenance import environment, now

RECORD_VERSION = 1
MANY_MISSING = 0.01  # of the frames: beyond this a score leaves out what the others had to predict

Record = dict[str, Any]


def of_protocol(rows: Sequence[PoseRow], protocol: PoseProtocol) -> list[PoseRow]:
    """The rows of the protocol's own sequences, without those of means."""
    return [row for row in rows if row.about and (protocol.sequences is None or row.sequence in protocol.sequences)]


def why_not(row: PoseRow, protocol: PoseProtocol) -> str:
    """The reason why a row has no score under a protocol; empty where it has one."""
    bad = [name for name in protocol.metrics if not math.isfinite(row.metrics[name])]
    if row.reason or not bad:
        return row.reason
    if row.pair is None:
        return f"its prediction is snippets, which have no {', '.join(bad)}"
    still = ": a snippet stands still in the prediction and has no scale" if all(map(is_snippet_metric, bad)) else ""
    return f"no number for {', '.join(bad)}{still}"


def n_snippets(row: PoseRow, protocol: PoseProtocol) -> int:
    """How many snippets the protocol's snippet metric is a mean of; 0 where it has none."""
    asked = next((name for name in protocol.metrics if is_snippet_metric(name)), None)
    if asked is None or row.errors is None:
        return 0
    monodepth2 = asked.startswith("snippet5_monodepth2")  # the others leave out the shorter snippets at the end
    return len(row.errors.snippet_monodepth2 if monodepth2 else row.errors.snippet_sfmlearner)


def pose_records(
    rows: Sequence[PoseRow], protocol: PoseProtocol, *, method: str, allow_missing: int = 0, warnings: Sequence[str] = ()
) -> list[Record]:
    """One record for each alignment of the rows, the protocol's own alignment first.

    Args:
        rows: one for each sequence and alignment; sequences that the protocol does not know, and means, are left out.
        allow_missing: how many sequences without a score a record may leave out.

    Raises:
        ResultError: no sequence is the protocol's, or more of them than allowed have no score.
    """
    own = of_protocol(rows, protocol)
    if not own:
        came = ", ".join(dict.fromkeys(row.sequence for row in rows if row.about))
        raise ResultError(
            f"{came}: no sequence of {protocol.name}, whose sequences are {', '.join(protocol.sequences or ())}; a record over "
            "others would stand in its column. Name the files after their sequences; for a data set of your own, copy "
            f"{FOLDER / 'kitti_odometry.yaml'}, give it another name and `sequences: null`, which takes any"
        )
    inputs = _inputs([row for row in own if row.alignment == own[0].alignment])
    order = sorted(dict.fromkeys(row.alignment for row in own), key=lambda name: name != protocol.alignment)
    return [
        _record(
            [row for row in own if row.alignment == alignment],
            protocol,
            start={"method": method, "inputs": inputs, "warnings": list(warnings)},
            allow_missing=allow_missing,
        )
        for alignment in order
    ]


def _record(rows: Sequence[PoseRow], protocol: PoseProtocol, *, start: Record, allow_missing: int) -> Record:
    scored = [row for row in rows if not why_not(row, protocol)]
    _refuse_missing(rows, protocol, scored=len(scored), allowed=allow_missing)
    mean, pooled = mean_rows(scored)
    left_out = [f"{row.sequence} is in no mean: {why}" for row in rows if (why := why_not(row, protocol))]
    return start | {
        "record_version": RECORD_VERSION,
        "task": protocol.task,
        "protocol": {"name": protocol.name, "version": protocol.version, "sha256": protocol.sha256},
        "alignment": mean.alignment,
        "sequences": [row.sequence for row in scored],
        "n_poses": mean.n_poses,
        "n_missing": mean.n_missing,
        "n_segments": mean.n_segments,
        "n_snippets": sum(n_snippets(row, protocol) for row in scored),
        "path_length_m": finite(mean.path_length_m),
        "metrics": {
            name: {
                "mean": mean.metrics[name],
                "all": pooled.metrics[name],
                "by_sequence": {row.sequence: row.metrics[name] for row in scored},
                "ci95": None,
                "unit": unit,
                "better": POSE_METRICS[name].better,
            }
            for name, unit in protocol.metrics.items()
        },
        "scale": {row.sequence: {"factor": finite(row.scale), "drift_percent": finite(row.scale_drift)} for row in scored},
        "warnings": [*start["warnings"], *cautions(scored), *left_out],
        "claimed": None,
        "status": "measured",
        "environment": environment(),
        "created": now(),
    }


def cautions(rows: Sequence[PoseRow]) -> list[str]:
    """What to be careful about in rows of one alignment: missing frames, a negative scale, what explains a bad score."""
    said = []
    for row in rows:
        n = row.n_poses + row.n_missing
        if row.n_missing > MANY_MISSING * n:
            what = "frames have no pose" if row.pair else "snippets are not predicted"
            said.append(f"{row.sequence}: {row.n_missing} of {n} {what}, and what needs them is not scored")
        if row.scale < 0:
            said.append(f"{row.sequence}: the scale is negative under {row.alignment}; are the translations inverted?")
        said += [f"{row.sequence}: {note}" for note in (row.about.notes if row.about else ())]
    return said


def sequence_warnings(rows: Sequence[PoseRow], protocol: PoseProtocol) -> list[str]:
    """Sequences that the protocol does not know, and ground truth that is longer or shorter than the published one."""
    lengths = {row.sequence: row.n_poses + row.n_missing for row in rows if row.about and row.pair}
    strange = [name for name in lengths if protocol.sequences is not None and name not in protocol.sequences]
    said = [f"{', '.join(strange)}: not among the sequences of {protocol.name}, so in no mean and no record"] if strange else []
    for name, n in lengths.items():
        published = (protocol.sequences or {}).get(name, n)
        if n != published:
            said.append(
                f"{name}: the ground truth has {n} poses, that of {protocol.name} {published}; the numbers are not comparable "
                "with published ones"
            )
    return said


def _refuse_missing(rows: Sequence[PoseRow], protocol: PoseProtocol, *, scored: int, allowed: int) -> None:
    missing = [row for row in rows if why_not(row, protocol)]
    if len(missing) > allowed or not scored:
        first = missing[0]
        raise ResultError(
            f"{protocol.name}, alignment {first.alignment}: {len(missing)} of {len(rows)} sequences have no score ({allowed} "
            f"allowed); the first is {first.sequence}: {why_not(first, protocol)}. A mean over the others is another "
            "benchmark: mend its poses, choose other alignments with --align, or "
            + (f"say `--allow-missing {len(missing)}` and the record says so too" if scored else "another protocol")
        )


def _inputs(rows: Sequence[PoseRow]) -> Record:
    about = {row.sequence: row.about for row in rows if row.about}
    return {
        "ground_truth": {name: sha256_of_path(Path(a.gt)) for name, a in about.items()},
        "predictions": {name: sha256_of_path(Path(a.pred)) for name, a in about.items()},
        "forms": {name: {"ground_truth": a.gt_form, "predictions": a.pred_form} for name, a in about.items()},
        "direction": {name: _direction(a.direction) for name, a in about.items() if a.direction},
    }


def _direction(found: Direction) -> Record:
    return {
        "name": found.name,
        "detected": found.detected,
        "agreement": finite(found.agreement),
        "other": finite(found.other),
    }


def sha256_of_path(path: Path) -> str:
    """The sha256 of a file, or of the lines `<sha256>  <name>` of the files in a folder, sorted by name."""
    if not path.is_dir():
        return sha256_of(path)
    files = sorted(file for file in path.iterdir() if file.is_file() and not is_temporary(file))
    lines = "".join(f"{sha256_of(file)}  {file.name}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def finite(value: float) -> float | None:
    """The number, or None, JSON's null, where there is none."""
    return value if math.isfinite(value) else None
