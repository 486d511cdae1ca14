"""Result records (JSON) and per-image tables (CSV): full precision, keys sorted, validated, written whole."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import ResultError
from benchmark.io.files import atomic_write

if TYPE_CHECKING:
    from benchmark.evaluate_depth import ImageTable
    from benchmark.parts import PartTable

SCHEMA = Path(__file__).parent.parent / "result_record.schema.json"
UNCHECKED = "not held to the schema of records: jsonschema is not installed where this was scored"
METHOD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


def method_name(text: str) -> str:
    """A name that can be a file name and a table cell.

    Raises:
        ResultError: empty, too long, or with other characters.
    """
    if not METHOD_NAME.fullmatch(text):
        raise ResultError(f"method name {text!r}: expected letters, digits and . _ + -, at most 100; choose one with --method")
    return text


def default_name(path: Path) -> str:
    """A method name from the name of a file, whatever characters that has."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "_", path.stem).strip("._+-")[:100] or "predictions"


def validate_record(record: dict[str, Any], source: str, *, schema_file: Path = SCHEMA) -> None:
    """Hold a record to a shipped JSON Schema, that of depth unless another is named.

    Raises:
        ResultError: naming the first key that does not fit.
    """
    import jsonschema

    schema = json.loads(schema_file.read_text("utf-8"))
    errors = list(jsonschema.Draft202012Validator(schema).iter_errors(record))
    if errors:
        first = min(errors, key=lambda e: list(map(str, e.absolute_path)))
        place = "/".join(map(str, first.absolute_path)) or "the record"
        raise ResultError(f"{source}: {place}: {first.message}")


def checked(record: dict[str, Any], source: str, *, schema_file: Path = SCHEMA) -> dict[str, Any]:
    """The record as it is written: held to its schema, or with a warning that it was not.

    A bare checkout on a machine without jsonschema, such as a GPU node without a network, can score all the same.

    Raises:
        ResultError: naming the first key that does not fit.
    """
    if importlib.util.find_spec("jsonschema") is None:
        return record | {"warnings": [*record["warnings"], UNCHECKED]}
    validate_record(record, source, schema_file=schema_file)
    return record


def to_json(content: Any) -> str:
    """Sorted keys, two spaces; NaN and inf are refused, because JSON has none."""
    return json.dumps(content, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def records_json(records: list[dict[str, Any]]) -> str:
    """The records as a JSON list, each held to the schema.

    Raises:
        ResultError: a record does not follow the schema.
    """
    return to_json([checked(record, str(record.get("method"))) for record in records])


def write_result(folder: Path, record: dict[str, Any], table: ImageTable) -> list[Path]:
    """`<method>.<protocol>.<scaling>.json` and `.csv` in the folder, which is made; `.parts.csv` where parts were tabled.

    Raises:
        ResultError: a number is not finite, the record does not follow the schema, or the folder cannot be written.
    """
    stem = f"{record['method']}.{record['protocol']['name']}.{record['scaling']}"
    means = {name: metric["mean"] for name, metric in record["metrics"].items()}
    bad = [name for name, mean in means.items() if mean is not None and not math.isfinite(mean)]
    if bad:
        raise ResultError(f"{stem}: {', '.join(bad)} is not a finite number; the record is not written")
    content = checked(record, stem)
    # The record last: where it stands, its table does.
    texts = {
        ".csv": table_csv(table),
        **({".parts.csv": parts_csv(table.parts)} if table.parts else {}),
        ".json": to_json(content),
    }
    return write_texts(folder, stem, texts)


def write_texts(folder: Path, stem: str, texts: dict[str, str]) -> list[Path]:
    """Write `<stem><suffix>` for each text by suffix into the folder, which is made, in their order.

    Raises:
        ResultError: the folder cannot be written.
    """
    paths = {folder / f"{stem}{suffix}": text for suffix, text in texts.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in paths.items():
            with atomic_write(path) as file:
                file.write(text.encode())
    except OSError as problem:
        raise ResultError(f"{folder}: cannot write the results ({problem}); choose another --out") from problem
    return list(paths)


def table_csv(table: ImageTable) -> str:
    """One row per frame: frame_id, drive, n_valid, scale, shift, metrics, reason. repr keeps every digit."""
    header = ["frame_id", "drive", "n_valid", "scale", "shift", *table.values, "reason"]
    drives = [name.split("/", maxsplit=1)[0] for name in table.frame_id]
    numbers = [column.tolist() for column in (table.n_valid, table.scale, table.shift, *table.values.values())]
    return csv_text(header, zip(table.frame_id, drives, *numbers, table.reason, strict=True))


def parts_csv(table: PartTable) -> str:
    """One row per frame and part with a scored pixel: frame_id, kind, part, n_valid, scale, metrics; blank where a metric is
    not of that kind of part, or not finite."""
    header = ["frame_id", "kind", "part", "n_valid", "scale", *table.values]
    columns = [["" if math.isnan(x) else x for x in v.tolist()] for v in (table.scale, *table.values.values())]
    return csv_text(header, zip(table.frame_id, table.kind, table.part, table.n_valid.tolist(), *columns, strict=True))


def csv_text(header: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """A table as CSV with a header line; numbers in full."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return out.getvalue()
