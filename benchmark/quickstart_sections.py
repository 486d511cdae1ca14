"""What the quickstart shows beside its boards: a drive whose path is found from its images, and six cameras around the car.

Both lie in layouts of their own, KITTI odometry and DDAD, and go through the functions that read the real data sets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark.io.files import atomic_write
from benchmark.quickstart_folder import Places
from benchmark.splits import load_split, parse_frame_id

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from benchmark.score import Score

DRIVE, SEQUENCE, ODOMETRY = "world_odometry/test", "55", "world_odometry"
DRIVE_SIZE = (80, 256)  # enough to track corners in, and rendered in a fifth of the time of 192x640
POSE_METRICS = {"t_err": "t_err\n[%]", "r_err": "r_err\n[°/100m]", "ate_rmse": "ATE\n[m]", "rpe_trans_rmse": "RPE\n[m]"}
ALIGNED = {"none": "as predicted, in metres", "6dof": "moved and turned onto the ground truth"}

CAMERAS, SURROUND = "world_ddad/val", "world_ddad"
CAMERAS_SIZE = (192, 320)
# From the left of the car's back over its front to the right, and the back itself.
AROUND = {
    "CAMERA_07": "rear left", "CAMERA_05": "left", "CAMERA_01": "front", "CAMERA_06": "right", "CAMERA_08": "rear right",
    "CAMERA_09": "rear",
}  # fmt: skip
PRIOR = "constant"
SHOWN_SAMPLE = 1  # of the first scene


class Section(NamedTuple):
    """A section: its words, a table (`header` may hold a unit after a line break), a picture with its size in pixels, and
    what to say of where the numbers come from."""

    title: str
    about: str
    name: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    picture: Path
    size: tuple[int, int]
    caption: str
    alt: str
    wide: bool
    provenance: Sequence[tuple[str, str]]
    step: str


def sections(here: Places, *, seed: int, force: bool, quiet: bool) -> Iterator[Section]:
    """Both sections, each when it is done."""
    for make in (drive, surround):
        yield make(here, seed=seed, force=force, quiet=quiet)


def drive(here: Places, *, seed: int, force: bool, quiet: bool) -> Section:
    """Render a sequence, find the camera's path by stereo odometry, score it and draw it."""
    from baselines.predict_poses import predict_poses
    from benchmark.pose_plots import draw_sequence
    from benchmark.score_poses import PoseRequest, score_poses
    from datasets_prep.kitti_odometry import poses_path
    from datasets_prep.roots import data_root
    from datasets_prep.world.make import render_world

    render_world(here["data"], [load_split(DRIVE)], size=DRIVE_SIZE, seed=seed, quiet=quiet, force=force)
    predict_poses(DRIVE, here["data"], here["poses"], quiet=True)
    truth = poses_path(data_root("kitti_odometry", here["data"]), SEQUENCE)
    scored = score_poses(PoseRequest(here["poses"], truth, ODOMETRY, tuple(ALIGNED), method="stereo_vo"))
    records = scored.records()
    scored.write(here["results"], records)
    size = write_figure(here["trajectory"], draw_sequence(scored.scores.rows[:1])["trajectory"])
    first = records[0]
    rows = [_pose_row(record) for record in records]
    length = f"{first['path_length_m']:.0f} m"
    return Section(
        title="The path of a drive",
        about=f"Camera poses from the stereo images of {first['n_poses']} frames ({length}), frame to frame and without "
        f"learning. Alignment {'; '.join(f'{name}: {what}' for name, what in ALIGNED.items())}.",
        name=f"{ODOMETRY} v{first['protocol']['version']}",
        header=["method", "alignment", *POSE_METRICS.values(), "segments"],
        rows=rows,
        picture=here["trajectory"],
        size=size,
        caption="The path from above. Errors of each frame add up, because nothing looks back.",
        alt=f"A winding path of {length} from above, the predicted one on the true one",
        wide=False,
        provenance=[
            ("path", f"{DRIVE}, images of {DRIVE_SIZE[0]}x{DRIVE_SIZE[1]} pixels"),
            (f"protocol {ODOMETRY}", f"v{first['protocol']['version']}, sha256 {first['protocol']['sha256']}"),
        ],
        step=f"found the path of {first['n_poses']} stereo frames, {length}: t_err {rows[0][2]} %",
    )


def _pose_row(record: Mapping[str, Any]) -> list[str]:
    numbers = [f"{record['metrics'][name]['mean']:.3f}" for name in POSE_METRICS]
    return [record["method"], record["alignment"], *numbers, f"{record['n_segments']}"]


def surround(here: Places, *, seed: int, force: bool, quiet: bool) -> Section:
    """Render DGP scenes, export their LiDAR, score a constant depth camera by camera and draw one sample."""
    from baselines.predict import predict
    from benchmark.io.results import write_result
    from benchmark.score import Request, score
    from datasets_prep.export_gt import export_gt
    from datasets_prep.world.make import render_world

    render_world(here["data"], [load_split(CAMERAS)], size=CAMERAS_SIZE, seed=seed, quiet=quiet, force=force)
    export_gt("ddad", here["data"], CAMERAS, here["gt_cameras"], quiet=True)
    predictions = here["predictions"] / f"{PRIOR}_six_cameras.npy"
    predict(PRIOR, CAMERAS, None, predictions, size=CAMERAS_SIZE, quiet=True)
    (scored,) = score(Request(predictions.with_suffix(".yaml"), here["gt_cameras"], (SURROUND,), ("median",), method=PRIOR))
    write_result(here["results"], scored.record, scored.table)
    size = write_figure(here["cameras"], _sample(here))
    record, rows = scored.record, _by_camera(scored)
    return Section(
        title="Six cameras around the car",
        about="Depth of the LiDAR in each camera, and what the same depth everywhere scores there, scaled by each image's "
        "median: a camera that sees one wall flatters whoever guesses one depth.",
        name=f"{SURROUND} v{record['protocol']['version']}: {PRIOR}, scaling {record['scaling']}",
        header=["camera", "looks", "AbsRel", "RMSE\n[m]", "δ<1.25", "images", "pixels"],
        rows=rows,
        picture=here["cameras"],
        size=size,
        caption="One moment; the points of the LiDAR in the colours of their depth.",
        alt="Six images side by side, from the rear left camera over the front to the rear one, with coloured LiDAR points",
        wide=True,
        provenance=[
            ("six cameras", f"{CAMERAS}, images of {CAMERAS_SIZE[0]}x{CAMERAS_SIZE[1]} pixels"),
            (f"protocol {SURROUND}", f"v{record['protocol']['version']}, sha256 {record['protocol']['sha256']}"),
            (f"ground truth of {SURROUND}", f"sha256 {record['inputs']['ground_truth']}"),
        ],
        step=f"rendered {record['n_images']} images of six cameras, exported their LiDAR and scored a constant",
    )


def _by_camera(scored: Score) -> list[list[str]]:
    found = scored.record["parts"]["camera"]
    return [
        [
            camera, looks, *(f"{found[camera]['metrics'][name]:.3f}" for name in ("abs_rel", "rmse", "a1")),
            f"{found[camera]['n_images']}", f"{found[camera]['n_pixels']:,}",
        ]
        for camera, looks in AROUND.items()
    ]  # fmt: skip


def _sample(here: Places) -> Figure:
    """The images of one sample with their exported ground truth."""
    from benchmark.io.ground_truth_hdf5 import read_hdf5
    from benchmark.plots import draw_cameras
    from datasets_prep import ddad
    from datasets_prep.roots import data_root

    truth = read_hdf5(here["gt_cameras"])
    first = SHOWN_SAMPLE * len(AROUND)
    ids = truth.header.frame_id[first : first + len(AROUND)]
    where = {parse_frame_id(name).camera: i for i, name in enumerate(ids, first)}
    scenes = ddad.scene_files(data_root("ddad", here["data"]))
    images, depths = {}, {}
    for camera, looks in AROUND.items():
        frame = parse_frame_id(truth.header.frame_id[where[camera]])
        images[f"{camera} · {looks}"] = ddad.load_image(ddad.recordings(scenes[frame.drive])[frame].image)
        depths[f"{camera} · {looks}"] = truth.dense(where[camera])
    return draw_cameras(images, depths)


def write_figure(path: Path, figure: Figure) -> tuple[int, int]:
    """Write the picture; its width and height in pixels."""
    from benchmark.plots import png, size_px

    with atomic_write(path) as file:
        file.write(image := png(figure))
    return size_px(image)


def exhibit(section: Section, out: Path) -> Any:
    """The section as the page takes it."""
    from leaderboard.page import Exhibit, Picture

    picture = Picture(section.picture.relative_to(out).as_posix(), *section.size, "", section.caption, section.alt)
    header = [(title, unit.strip("[]")) for title, _, unit in (cell.partition("\n") for cell in section.header)]
    return Exhibit(section.title, section.about, picture, section.wide, section.name, header, section.rows)


def markdown(section: Section) -> str:
    """The section's words and its table in Markdown."""
    cells = [[cell.replace("\n", " ") for cell in section.header], ["---"] * len(section.header), *section.rows]
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    return "\n".join([f"## {section.name}\n\n{section.title}. {section.about}\n", *lines]) + "\n"


def terminal(section: Section) -> str:
    """The section's table in plain text under the name of its protocol."""
    from benchmark.text_table import text_table

    return f"{section.name}\n{text_table(section.rows, section.header)}"
