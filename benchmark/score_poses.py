"""The whole road of `depthbench evaluate_pose`: files in, rows and records out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.align_poses import ALIGNMENTS
from benchmark.errors import OptionError, TrajectoryError
from benchmark.evaluate_pose import PoseRow, mean_rows
from benchmark.io.pose_results import check_overwriting, write_pose_result
from benchmark.io.results import default_name, method_name
from benchmark.pose_directions import DIRECTIONS
from benchmark.pose_files import PoseScores, score_files
from benchmark.pose_pairs import MAX_TIME_GAP_S, Rules
from benchmark.pose_protocol import SEGMENT_METRICS, PoseProtocol, is_snippet_metric, load_pose_protocol
from benchmark.pose_records import Record, of_protocol, pose_records, sequence_warnings, why_not
from benchmark.pose_report import COLUMNS, WIDTH, render_poses, wrapped


@dataclass(frozen=True)
class PoseRequest:
    """What a user asks `evaluate_pose` for; no alignments: all of them, or the protocol's where they change nothing."""

    pred: Path | str
    gt: Path | str
    protocol: str = "kitti_odometry"
    alignments: tuple[str, ...] = ()
    direction: str | None = None
    method: str | None = None
    allow_missing: int = 0


@dataclass(frozen=True)
class ScoredPoses:
    """The rows of all sequences and their means, and the protocol that they were made under."""

    scores: PoseScores
    protocol: PoseProtocol
    method: str
    warnings: list[str]
    allow_missing: int

    def records(self) -> list[Record]:
        """The records, the protocol's alignment first; see `pose_records` for what is refused."""
        return pose_records(
            self.scores.rows,
            self.protocol,
            method=self.method,
            allow_missing=self.allow_missing,
            warnings=self.warnings,
        )

    def tables(self, *, width: int = WIDTH) -> str:
        """What the command prints: the protocol's metrics first, the others beside them, and what to be careful about."""
        beside = [name for name in COLUMNS if self.protocol.segments or name not in SEGMENT_METRICS]
        columns = dict.fromkeys(name for name in [*self.protocol.metrics, *beside] if not is_snippet_metric(name))
        said = (wrapped(f"warning: {text}", width) for text in self.warnings)
        head = wrapped(f"{self.protocol.name} v{self.protocol.version}: {self.method}", width)
        blocks = render_poses(self.scores, columns=list(columns), width=width)
        return "\n".join([head, "", blocks, *said, *[""] * bool(self.warnings)])

    def write(self, folder: Path, records: Sequence[Record]) -> list[Path]:
        """Write the records and their tables into the folder.

        Raises:
            ResultError: the folder cannot be written, or one of the files is a record over other sequences.
        """
        check_overwriting(folder, records)
        own = of_protocol(self.scores.rows, self.protocol)
        return [
            path
            for record in records
            for path in write_pose_result(
                folder, record, [row for row in own if row.alignment == record["alignment"]], self.protocol
            )
        ]


def score_poses(request: PoseRequest) -> ScoredPoses:
    """Read, join and score; the means are over the sequences of the protocol alone where there are any.

    Raises:
        InputError: whatever makes a number meaningless; see the modules that read each file.
    """
    _check_choices(request)
    protocol, pred = load_pose_protocol(request.protocol), Path(request.pred)
    alignments = tuple(dict.fromkeys(request.alignments)) or usual_alignments(protocol)
    if not protocol_aligns(protocol) and alignments != (protocol.alignment,):
        raise OptionError(
            f"--align {' '.join(alignments)}: {protocol.name} scales each snippet by itself, so no alignment changes it; leave "
            "--align out"
        )
    scores = score_files(pred, Path(request.gt), alignments, direction=request.direction, rules=rules_of(protocol))
    rows = scores.rows
    _check_association(rows, protocol)
    method = method_name(_name_of(pred, {row.sequence for row in rows}) if request.method is None else request.method)
    warnings = [*sequence_warnings(rows, protocol), *_passed_over(scores)]
    return ScoredPoses(_with_means(scores, protocol, request.allow_missing), protocol, method, warnings, request.allow_missing)


def _check_choices(request: PoseRequest) -> None:
    for option, choices, known in (
        ("--align", request.alignments, ALIGNMENTS),
        ("--direction", (request.direction,) if request.direction is not None else (), DIRECTIONS),
    ):
        for choice in choices:
            if choice not in known:
                raise OptionError(f"{option} {choice}: is unknown; expected one of {', '.join(known)}")


def _passed_over(scores: PoseScores) -> list[str]:
    if not scores.passed_over:
        return []
    names = ", ".join(scores.passed_over)
    return [f"{names}: passed over, no ground truth has the name; expected the name of a sequence, such as 09.txt"]


def _with_means(scores: PoseScores, protocol: PoseProtocol, allowed: int) -> PoseScores:
    """The scores with the means over the protocol's sequences; those without a score are left out where no more of them are
    than allowed."""
    rows = of_protocol(scores.rows, protocol)
    unscored = Counter(row.alignment for row in rows if why_not(row, protocol))
    counted = [row for row in rows if unscored[row.alignment] > allowed or not why_not(row, protocol)]
    means = mean_rows(counted) if len({row.sequence for row in counted}) > 1 else []
    left_out = {
        alignment: ", ".join(row.sequence for row in rows if row.alignment == alignment and why_not(row, protocol))
        for alignment, n in unscored.items()
        if n <= allowed
    }
    return scores._replace(rows=[*scores.rows, *means], left_out=left_out)


def rules_of(protocol: PoseProtocol) -> Rules:
    """What a protocol sets of the engine."""
    lengths_m, step = ((), 1) if protocol.segments is None else (protocol.segments.lengths_m, protocol.segments.step_frames)
    return Rules(lengths_m, step, protocol.association.max_gap_s or MAX_TIME_GAP_S)


def usual_alignments(protocol: PoseProtocol) -> tuple[str, ...]:
    """All alignments, or the protocol's own alone where each snippet is scaled by itself."""
    return tuple(ALIGNMENTS) if protocol_aligns(protocol) else (protocol.alignment,)


def protocol_aligns(protocol: PoseProtocol) -> bool:
    """Whether any metric of the protocol changes with the alignment."""
    return not all(map(is_snippet_metric, protocol.metrics))


def _check_association(rows: Sequence[PoseRow], protocol: PoseProtocol) -> None:
    by = protocol.association.by
    for row in rows:
        timed = row.pair is not None and row.pair.time is not None
        if row.pair is not None and row.about is not None and by != "frame_or_time" and timed != (by == "time"):
            raise TrajectoryError(
                f"{row.about.pred}: was matched by {'time' if timed else 'frame number'}, and {protocol.name} asks for {by}; "
                f"expected {'TUM files, with times,' if by == 'time' else 'files without times'} on both sides. Write them so, "
                "or choose another protocol"
            )


def _name_of(pred: Path, sequences: set[str]) -> str:
    """The name of the file or folder; for a file that is named after its sequence, such as 09.txt, that of its folder."""
    path = pred.resolve()
    return default_name(path.parent if path.stem in sequences and not path.is_dir() else path)
