"""Records of ego-motion (JSON), and tables of their sequences and segments (CSV): full precision, validated, written whole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark.errors import ResultError
from benchmark.evaluate_pose import PoseRow, segment_table
from benchmark.io.results import checked, csv_text, to_json, write_texts
from benchmark.pose_protocol import PoseProtocol
from benchmark.pose_records import n_snippets, why_not

POSE_SCHEMA = Path(__file__).parent.parent / "pose_record.schema.json"
SEGMENT_COLUMNS = ("sequence", "first_frame", "last_frame", "length_m", "speed_mps", "t_err", "r_err")


def pose_records_json(records: Sequence[dict[str, Any]]) -> str:
    """The records as a JSON list, each held to the schema.

    Raises:
        ResultError: a record does not follow the schema.
    """
    return to_json([checked(record, str(record.get("method")), schema_file=POSE_SCHEMA) for record in records])


def check_overwriting(folder: Path, records: Sequence[dict[str, Any]]) -> None:
    """Refuse to put records in the place of others that are over other sequences; the same sequences are scored anew.

    Raises:
        ResultError: such a record is there.
    """
    for record in records:
        path = folder / f"{_stem(record)}.json"
        there = _sequences(path)
        if there is not None and there != record["sequences"]:
            old, new = (", ".join(map(str, names)) for names in (there, record["sequences"]))
            raise ResultError(
                f"{path}: is the record of sequences {old}, and would be replaced by that of {new}; expected a place of its "
                "own. Choose another --out or --method, or remove the file"
            )


def _sequences(path: Path) -> list[Any] | None:
    """The sequences of the record in a file; None where there is none."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None  # no record is lost
    found = content.get("sequences") if isinstance(content, dict) else None
    return found if isinstance(found, list) else None


def _stem(record: dict[str, Any]) -> str:
    return f"{record['method']}.{record['protocol']['name']}.{record['alignment']}"


def write_pose_result(folder: Path, record: dict[str, Any], rows: Sequence[PoseRow], protocol: PoseProtocol) -> list[Path]:
    """`<method>.<protocol>.<alignment>.json`, `.csv` and, where the protocol has segments, `.segments.csv` in the folder.

    Args:
        folder: is made.
        rows: one for each of the protocol's sequences, of the record's alignment.

    Raises:
        ResultError: the record does not follow the schema, or the folder cannot be written.
    """
    stem = _stem(record)
    content = checked(record, stem, schema_file=POSE_SCHEMA)
    texts = {".csv": sequences_csv(rows, protocol)}
    if protocol.segments is not None:
        texts[".segments.csv"] = segments_csv(rows)
    texts[".json"] = to_json(content)  # last: where it stands, its tables do
    return write_texts(folder, stem, texts)


def sequences_csv(rows: Sequence[PoseRow], protocol: PoseProtocol) -> str:
    """One line for each sequence: its counts, metres, scale, drift of the scale in %, metrics, and why it has no score."""
    counts = ("n_poses", "n_missing", "n_segments", "n_snippets")
    header = ["sequence", *counts, "path_length_m", "scale", "scale_drift_percent", *protocol.metrics, "reason"]
    lines = (
        [
            row.sequence,
            *(row.n_poses, row.n_missing, row.n_segments, n_snippets(row, protocol)),
            *(row.path_length_m, row.scale, row.scale_drift),
            *(row.metrics[name] for name in protocol.metrics),
            why_not(row, protocol),
        ]
        for row in rows
    )
    return csv_text(header, lines)


def segments_csv(rows: Sequence[PoseRow]) -> str:
    """One line for each segment: its frames, metres, m/s, t_err in % and r_err in degrees for 100 m."""
    lines = (
        [row.sequence, *values]
        for row in rows
        for values in zip(*(column.tolist() for column in segment_table(row)), strict=True)
    )
    return csv_text(SEGMENT_COLUMNS, lines)
