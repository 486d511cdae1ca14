"""Scored trajectories -> the records of a protocol: means over its sequences, what made them, and what to be careful about."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark.errors import ResultError
from benchmark.evaluate_pose import NO_PATH, PoseRow, mean_rows
from benchmark.io.files import is_temporary, sha256_of
from benchmark.metrics.pose import POSE_METRICS, SNIPPET_FRAMES
from benchmark.pose_directions import Direction
from benchmark.pose_protocol import PoseProtocol, is_snippet_metric
from benchmark.protocol import FOLDER
from benchmark.provenance import environment, now

RECORD_VERSION = 1
NO_STEPS = "no two consecutive frames are predicted"
NEGATIVE_SCALE = "the scale is negative; are the translations inverted?"
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
    if row.errors is not None and not len(row.errors.step_t):
        return f"no number for {', '.join(bad)}: {NO_STEPS}"
    if row.errors is None or not all(map(is_snippet_metric, bad)):
        return f"no number for {', '.join(bad)}"
    short = not len(row.errors.snippet_sfmlearner)
    why = f"no {SNIPPET_FRAMES} consecutive frames" if short else "a snippet stands still in the prediction and has no scale"
    return f"no number for {', '.join(bad)}: {why}{' are predicted' * short}"


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
        ResultError: no sequence is the protocol's, more of them than allowed have no score, or too few frames are predicted.
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
    _refuse_gaps(scored, protocol)
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
            said.append(f"{row.sequence}: {row.alignment}: {NEGATIVE_SCALE}")
        said += [f"{row.sequence}: {note}" for note in (row.about.notes if row.about else ()) if note != NO_PATH]
    return said


def sequence_warnings(rows: Sequence[PoseRow], protocol: PoseProtocol) -> list[str]:
    """Sequences that the protocol does not know, ground truth that is longer or shorter than the published one, predictions
    with too many gaps, and motions in both directions."""
    one_each = {row.sequence: row for row in rows if row.about}.values()
    strange = [row.sequence for row in one_each if protocol.sequences is not None and row.sequence not in protocol.sequences]
    said = [f"{', '.join(strange)}: not among the sequences of {protocol.name}, so in no mean and no record"] if strange else []
    for row in of_protocol(list(one_each), protocol):
        n, what = row.n_poses + row.n_missing, "poses" if row.pair else "snippets"
        published = (protocol.sequences or {}).get(row.sequence)
        if published is not None and n != (expected := published if row.pair else published - SNIPPET_FRAMES + 1):
            said.append(
                f"{row.sequence}: the ground truth has {n} {what}, that of {protocol.name} {expected}; the numbers are not "
                "comparable with published ones"
            )
        if too_few(row, protocol):
            said.append(f"{too_few(row, protocol)}, so in no record")
    return said + _both_directions([row.about.direction for row in one_each if row.about], [row.sequence for row in one_each])


def too_few(row: PoseRow, protocol: PoseProtocol) -> str:
    """What is said of a sequence with less predicted than the protocol's coverage; empty where there is enough."""
    n = row.n_poses + row.n_missing
    if row.n_poses >= protocol.coverage * n:
        return ""
    return (
        f"{row.sequence}: {row.n_poses} of {n} {'frames' if row.pair else 'snippets'} are predicted "
        f"({100 * row.n_poses / n:.3g} %), and {protocol.name} expects {100 * protocol.coverage:.4g} % or more"
    )


def _both_directions(directions: Sequence[Direction | None], sequences: Sequence[str]) -> list[str]:
    by_name: dict[str, list[str]] = {}
    for direction, sequence in zip(directions, sequences, strict=True):
        if direction is not None:
            by_name.setdefault(direction.name, []).append(sequence)
    if len(by_name) < 2:
        return []
    read_as = " and ".join(f"{', '.join(names)} as {name}" for name, names in by_name.items())
    return [f"the ground truth shows motions in both directions, {read_as}; one method writes one: look at the fewer"]


def _refuse_missing(rows: Sequence[PoseRow], protocol: PoseProtocol, *, scored: int, allowed: int) -> None:
    missing = [row for row in rows if why_not(row, protocol)]
    if len(missing) > allowed or not scored:
        first = missing[0]
        over_others = f"say `--allow-missing {len(missing)}`, and the record says so too"
        raise ResultError(
            f"{protocol.name}, alignment {first.alignment}: {len(missing)} of {len(rows)} sequences have no score ({allowed} "
            f"allowed); the first is {first.sequence}: {why_not(first, protocol)}. {_remedy(first, protocol)}"
            + (f". A mean over the others is another benchmark: {over_others}" if scored else "")
        )


def _refuse_gaps(rows: Sequence[PoseRow], protocol: PoseProtocol) -> None:
    for row in rows:
        if too_few(row, protocol):
            raise ResultError(
                f"{too_few(row, protocol)}; a method that leaves out what is hard would be ahead of the others. Predict the "
                f"missing {'frames' if row.pair else 'snippets'}, or copy {FOLDER / f'{protocol.name}.yaml'}, give it another "
                "name and a lower `coverage`"
            )


def _remedy(row: PoseRow, protocol: PoseProtocol) -> str:
    if row.pair is None and not row.reason:
        return "Snippets have a score under the protocol odom_snippet5_sfmlearner"
    if NO_STEPS in why_not(row, protocol):
        return "Predict consecutive frames, or copy the protocol under another name and leave these metrics out"
    snippets_only = all(map(is_snippet_metric, protocol.metrics))
    return "Mend its poses" if snippets_only else "Mend its poses, or choose other alignments with --align"


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
