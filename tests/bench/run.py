"""Time and memory against the field's reference, in one run: `tox -e bench [-- NAME ...]`, written to bench.json.

Each pair runs in turn, ours and the reference's, five times; a ratio is ours / reference, the median of the five pairs.
Commands are fresh processes with warm file and kernel caches; memory is the peak resident set of the process. With
DEPTHBENCH_REAL_DATA the ground truth is four real HDL-64 scans repeated over the 697 frames, else made-up streets.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE.parent), str(ROOT)]

import bench_data  # noqa: E402
import bench_poses  # noqa: E402
import bench_training  # noqa: E402
import reference  # noqa: E402
from measure import Sample, alternate, call, command, inside  # noqa: E402


def evaluate(data: bench_data.Files, *options: object) -> Sample:
    """Our command on the benchmark's files, with everything it writes."""
    return command("-m", "benchmark.cli", "evaluate", data.disps, "--gt", data.gt, "--out", data.results, *options)


def score_command(data: bench_data.Files) -> dict[str, object]:
    """Row 1: the whole command, median scaling."""
    return alternate(
        "score_command",
        lambda: evaluate(data, "--scaling", "median"),
        lambda: command(HERE / "reference.py", "score", data.field_npz, data.disps),
        f"697x192x640 float32, one scaling, records and tables written; ground truth: {data.source}",
    )


def score_engine(data: bench_data.Files) -> dict[str, object]:
    """Row 2: arrays in memory."""
    from benchmark.evaluate_depth import evaluate_settings, load_kernels
    from benchmark.io.ground_truth_hdf5 import read_hdf5
    from benchmark.io.predictions import ArrayPredictions
    from benchmark.matching import match
    from benchmark.protocol import load_protocol
    from benchmark.splits import load_split

    load_kernels()
    truth, split, protocol = read_hdf5(data.gt), load_split("kitti_eigen/test"), load_protocol("kitti_eigen")
    disparities = np.load(data.disps)
    maps = [truth.dense(i) for i in range(len(truth))]
    predictions = ArrayPredictions(disparities)
    joined = match(truth, predictions, split=split, pred_split=split)
    ours = evaluate_settings(truth, predictions, [protocol], match=joined)[0]
    expected = reference.score_arrays(maps, disparities)
    np.testing.assert_allclose([v.mean() for v in ours.values.values()], expected, rtol=1e-5)
    return alternate(
        "score_engine",
        lambda: call(lambda: evaluate_settings(truth, predictions, [protocol], match=joined)),
        lambda: call(lambda: reference.score_arrays(maps, disparities)),
        "the same numbers from arrays in memory, checks of the values included",
    )


def score_12(data: bench_data.Files) -> dict[str, object]:
    """Row 3: four protocols under three scalings in one command; the reference is our own single setting."""
    names = ["kitti_eigen", "kitti_eigen_50m", "kitti_eigen_depth", bench_data.packnet_arithmetic(data.folder)]
    options = [x for name in names for x in ("--protocol", name)] + [
        x for s in ("median", "stereo", "none") for x in ("--scaling", s)
    ]
    return alternate(
        "score_12",
        lambda: evaluate(data, *options),
        lambda: evaluate(data, "--scaling", "median"),
        "12 settings in one command; reference_s is our own command with one setting",
    )


EXPORT = """
import sys
from pathlib import Path
from datasets_prep.export_gt import export_gt
raw, split, out = sys.argv[1:]
print(export_gt("kitti_raw", Path(raw), split, Path(out), quiet=True).seconds)
"""


def export(data: bench_data.Files) -> dict[str, object]:
    """Row 4: 697 raw LiDAR scans to ground truth."""
    from datasets_prep.kitti_raw import load_calibration

    drive = data.raw / bench_data.DATE / bench_data.DRIVE / "velodyne_points" / "data"
    scans = data.folder / "scans.txt"
    scans.write_text("\n".join(str(path) for path in sorted(drive.iterdir())))
    matrix = data.folder / "matrix.npy"
    np.save(matrix, load_calibration(data.raw, bench_data.DATE).M_image_lidar("image_02"))
    ours, theirs = data.folder / "export.h5", data.folder / "export.npz"
    split = str(data.export_list)
    row = alternate(
        "export",
        lambda: inside("-c", EXPORT, data.raw, split, ours),
        lambda: inside(HERE / "reference.py", "export", scans, matrix, theirs),
        "",
    )
    per_frame = [1000 * row[key] / bench_data.FRAMES for key in ("ours_s", "reference_s")]
    sizes = [ours.stat().st_size / 1e6, theirs.stat().st_size / 1e6]
    options = ("--dataset", "kitti_raw", "--data", data.raw, "--split", split, "--out", ours)
    seconds, megabytes = command("-m", "benchmark.cli", "export_gt", *options)
    row["note"] = (
        f"{per_frame[0]:.2f} ms / {per_frame[1]:.2f} ms a frame; deflate level 1 {sizes[0]:.1f} MB / np.savez_compressed "
        f"{sizes[1]:.1f} MB; our whole command {seconds:.2f} s, {megabytes:.0f} MB; scans: {data.source}"
    )
    print(f"{'':14} {row['note']}")
    return row


ROWS = {"score_command": score_command, "score_engine": score_engine, "score_12": score_12, "export": export}


def main() -> None:
    """Run the named rows, or all; rows of an earlier run that are not run again stay."""
    others = bench_poses.ROWS | bench_training.ROWS
    known = [*ROWS, *others]
    names = sys.argv[1:] or known
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"bench: unknown {', '.join(unknown)}; known: {', '.join(known)}")
    out = ROOT / "bench.json"
    rows = {row["name"]: row for row in json.loads(out.read_text())} if out.is_file() else {}
    with tempfile.TemporaryDirectory(prefix="depthbench-bench-") as folder:
        data = bench_data.make(Path(folder)) if any(name in ROWS for name in names) else None
        rows |= {name: ROWS[name](data) if name in ROWS else others[name](Path(folder)) for name in names}
    out.write_text(json.dumps([rows[name] for name in known if name in rows], indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
