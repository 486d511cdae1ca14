"""The embedded run: render a small street world, export its ground truth, predict without learning, score, draw, publish.

Everything between the world and the page goes through the same functions as a user's own data and predictions. What was
rendered is found again by the next run; all else is cheap, so it is made anew each time and never stale.
"""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark import __version__, quickstart_sections
from benchmark.errors import ResultError
from benchmark.io.files import atomic_write
from benchmark.protocol import load_protocol
from benchmark.quickstart_folder import CREATOR, NAMES, Places, check_folder, mark, places, write_text
from benchmark.splits import load_split

if TYPE_CHECKING:
    from benchmark.score import Score

TEST, TRAIN = "world_small/test", "world_small/train"
PANEL_FRAME = "2031_05_01_drive_0003_sync/image_02/0000000002"
COMPARED = ("ground_plane_20m", "median_map", "sgm")  # from far off to close, for the picture that shows several

SUMMARY = (
    "A street that this computer has just made up, some ways to guess its depth without training a network, and their scores "
    "against exact depth and against a LiDAR."
)
CAUTION = (
    "The world is made up: its numbers say which of these methods sees this street better, and are never comparable with "
    "numbers of KITTI or of any other data set."
)
ORACLES = ("noisy_truth",)
ORACLE = "noisy_truth is no competitor: it is made from the ground truth, stands below the others and is never the best."
SCALINGS = {
    "median": "each prediction was multiplied by the factor that gives it the median depth of its image's ground truth",
    "none": "scored as predicted, in metres",
}


class Method(NamedTuple):
    """A way to predict without learning: the prior, its options, whose values may name a place, and what it does."""

    prior: str
    options: Mapping[str, Any]
    about: str


METHODS = {
    "constant": Method("constant", {}, "The same depth everywhere: what any method must beat."),
    "ground_plane_80m": Method(
        "ground_plane", {"data": "data", "clip": 80.0}, "A level road by the calibration alone, 80 m above the horizon."
    ),
    "ground_plane_20m": Method(
        "ground_plane", {"data": "data", "clip": 20.0}, "The same road, but nothing farther than 20 m: streets have walls."
    ),
    "median_map": Method(
        "median_map", {"train_gt": "gt_train"}, "Each pixel's median over a training drive, the same map for every image: "
        "a network that is no better has learnt where things are and not to see them."
    ),
    "sgm": Method("sgm", {"data": "data"}, "OpenCV's semi-global matching of the left and the right image."),
    "noisy_truth": Method(
        "noisy_truth", {"gt": "gt_exact"}, "The exact depth with smooth noise of 10 %: it has seen the answers, and shows what "
        "good looks like."
    ),
}  # fmt: skip


PROTOCOLS = {"world_exact": "gt_exact", "world_lidar": "gt_lidar"}


class Outcome(NamedTuple):
    """Where the page is, and the tables and next commands for the terminal."""

    page: Path
    text: str


class Drawn(NamedTuple):
    """A picture: the methods on it, its path from the page, its width and height in pixels."""

    methods: Sequence[str]
    path: str
    width: int
    height: int


def quickstart(
    out: Path,
    *,
    size: tuple[int, int] = (192, 640),
    seed: int = 0,
    force: bool = False,
    quiet: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Fill a folder with the world, its ground truth, predictions, results, pictures and the page.

    Args:
        out: a new or empty folder, or one that an earlier run made; that run may have been interrupted.
        size: height and width of the images in pixels.
        seed: of the streets.
        force: render anew in a folder of ours; write beside the files of a foreign one, never over them.
        quiet: no progress bars on stderr.
        say: is told of each step when it is done.

    Raises:
        InputError: the folder is not ours or cannot be written, or the size or the seed is refused.
    """
    here = places(out)
    ours = check_folder(here, force=force)
    step = _Steps(say)
    try:
        _render(here, size, seed, force=force and ours, quiet=quiet, step=step)
        mark(here, size, seed)
        _export(here, step)
        _predict(here, size, step)
        scores = _score(here, step)
        shown = []
        for part in quickstart_sections.sections(here, seed=seed, force=force and ours, quiet=quiet):
            shown.append(part)
            step(part.step)
        return _publish(here, scores, shown, (*size, seed), step)
    except OSError as error:
        raise ResultError(
            f"{error.filename or out}: cannot be written ({error.strerror or error}). Make room or correct the permissions and "
            "run the same command again, which continues from what is there; or choose another --out"
        ) from error


class _Steps:
    """Says what each step did and in how many seconds."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._last = time.perf_counter()

    def __call__(self, text: str) -> None:
        now = time.perf_counter()
        self._say(f"{now - self._last:6.1f} s  {text}")
        self._last = now


def _render(here: Places, size: tuple[int, int], seed: int, *, force: bool, quiet: bool, step: _Steps) -> None:
    from datasets_prep.world.make import render_world

    splits = [load_split(TEST), load_split(TRAIN)]
    made = render_world(here["data"], splits, size=size, seed=seed, quiet=quiet, force=force)
    found = f", {made.found} found" if made.found else ""
    step(f"rendered {made.made} stereo frames with LiDAR{found}: {size[0]}x{size[1]}, seed {seed}")


def _export(here: Places, step: _Steps) -> None:
    from datasets_prep.export_gt import export_gt

    exact = export_gt("kitti_depth", here["data"], TEST, here["gt_exact"], quiet=True)
    lidar = export_gt("kitti_raw", here["data"], TEST, here["gt_lidar"], depth="camera_z", quiet=True)
    export_gt("kitti_depth", here["data"], TRAIN, here["gt_train"], quiet=True)
    n = exact.frames
    step(f"exported ground truth of {n} frames: {exact.points // n:,} exact and {lidar.points // n:,} LiDAR points a frame")


def _predict(here: Places, size: tuple[int, int], step: _Steps) -> None:
    from baselines.predict import predict

    for name, method in METHODS.items():
        options: dict[str, Any] = {key: here[value] if value in NAMES else value for key, value in method.options.items()}
        data = options.pop("data", None)
        predict(method.prior, TEST, data, here["predictions"] / f"{name}.npy", size=size, quiet=True, **options)
    step(f"predicted by {len(METHODS)} methods")


def _score(here: Places, step: _Steps) -> list[Score]:
    from benchmark.io.results import write_result
    from benchmark.score import Request, score

    scores = [
        one
        for protocol, truth in PROTOCOLS.items()
        for name in METHODS
        for one in score(Request(here["predictions"] / f"{name}.yaml", here[truth], (protocol,), method=name))
    ]
    for one in scores:
        write_result(here["results"], one.record, one.table)
    step(f"scored under {' and '.join(PROTOCOLS)}, each with its own scaling and with none")
    return scores


def _publish(
    here: Places, scores: list[Score], extra: list[quickstart_sections.Section], world: tuple[int, int, int], step: _Steps
) -> Outcome:
    """Draw the pictures and write `leaderboard.md` and the page."""
    from leaderboard.page import Board, Page, Picture, render_page
    from leaderboard.tables import markdown, tables_by_protocol, terminal

    boards = [
        Board(f"{table.protocol} v{table.version}", f"{load_protocol(table.protocol).title}. {ORACLE}", table)
        for table in tables_by_protocol([one.record for one in scores], unranked=ORACLES)
    ]
    commands = next_commands(here)
    hero, *pictures = [Picture(path, width, height, *_words(names)) for names, path, width, height in _draw(here)]
    page = Page(
        title=CREATOR, summary=SUMMARY, caution=CAUTION, boards=boards, scalings=SCALINGS, hero=hero, pictures=pictures,
        commands=commands, provenance=[*_provenance(scores, world), *(pair for part in extra for pair in part.provenance)],
        exhibits=[quickstart_sections.exhibit(part, here["out"]) for part in extra],
    )  # fmt: skip
    sections = [f"## {board.title}\n\n{board.about}\n\n{markdown(board.table)}" for board in boards]
    sections += [quickstart_sections.markdown(part) for part in extra]
    write_text(here["markdown"], "\n".join([f"# {CREATOR}\n\n{SUMMARY} {CAUTION}\n", *sections]))
    write_text(here["page"], render_page(page))
    step(f"drew {1 + len(pictures) + len(extra)} pictures and wrote {NAMES['markdown']} and {NAMES['page']}")
    shown = [*(terminal(board.table) for board in boards), *(quickstart_sections.terminal(part) for part in extra)]
    tries = [f"{what}:\n  {command}" for what, command in commands]
    return Outcome(here["page"], "\n\n".join([*shown, CAUTION, f"The page: {here['page']}", "\n".join(tries)]))


def _draw(here: Places) -> Iterator[Drawn]:
    """The picture of several methods and one of each method, on one frame."""
    from benchmark.io.ground_truth_hdf5 import read_hdf5
    from benchmark.io.predictions import read_predictions
    from benchmark.plots import draw, png, size_px
    from datasets_prep.images import read_image
    from datasets_prep.kitti_raw import image_path
    from datasets_prep.roots import data_root

    truth = read_hdf5(here["gt_exact"])
    ids = truth.header.frame_id
    i = ids.index(PANEL_FRAME)
    image = read_image(image_path(data_root("kitti_raw", here["data"]), load_split(TEST).frames[i]))
    maps = {name: read_predictions(here["predictions"] / f"{name}.npy", ids).load(i) for name in METHODS}
    here["panels"].mkdir(exist_ok=True)
    for names, path in ((COMPARED, here["comparison"]), *(((name,), here["panels"] / f"{name}.png") for name in METHODS)):
        figure = draw(image, truth.dense(i), {name: maps[name] for name in names}, columns=min(2, len(names)))
        with atomic_write(path) as file:
            file.write(drawn := png(figure))
        yield Drawn(names, path.relative_to(here["out"]).as_posix(), *size_px(drawn))


def _words(names: Sequence[str]) -> tuple[str, str, str]:
    """Title, caption and alternative text of a picture."""
    if len(names) > 1:
        caption = "On the left the image and the predictions, on the right the ground truth and the errors."
        alt = f"A rendered street and its exact depth, above the depth maps and the error maps of {', '.join(names)}"
        return f"{', '.join(names)}.", caption, alt
    alt = f"The image, its ground truth, the depth of {names[0]} and its error, one above the other, with two colour bars"
    return names[0], METHODS[names[0]].about, alt


def _provenance(scores: list[Score], world: tuple[int, int, int]) -> list[tuple[str, str]]:
    first = scores[0].record
    protocols = {one.protocol.name: one for one in scores}
    return [
        ("world", f"seed {world[2]}, images of {world[0]}x{world[1]} pixels (height x width)"),
        ("split", f"{TEST}, sha256 {first['inputs']['split']}"),
        *((f"protocol {name}", f"v{one.protocol.version}, sha256 {one.protocol.sha256}") for name, one in protocols.items()),
        *((f"ground truth of {name}", f"sha256 {one.record['inputs']['ground_truth']}") for name, one in protocols.items()),
        ("pictures", f"frame {PANEL_FRAME}, predictions as they are, without scaling"),
        ("made by", f"{CREATOR} {__version__} with Python {first['environment']['python']}, {first['created']}"),
        ("records and per-image tables", f"in the folder {NAMES['results']} beside this page"),
    ]


def next_commands(here: Places) -> list[tuple[str, str]]:
    """What to try next: (what it does, a command for the folder in which this program runs)."""
    exact = [here["predictions"] / "sgm.yaml", "--gt", here["gt_exact"], "--protocol", "world_exact"]
    path = [here["poses"], "--gt", here["data"] / "kitti_odometry" / "poses" / "55.txt", "--protocol", "world_odometry"]
    lidar = ["--dataset", "kitti_raw", "--depth", "camera_z", "--data", here["data"], "--split", TEST]
    return [
        ("Score one file by hand", _command("evaluate", *exact)),
        ("Look for mistakes in a file before its numbers are believed", _command("check", *exact)),
        ("Score the path of the drive by hand", _command("evaluate_pose", *path)),
        ("Export ground truth by hand", _command("export_gt", *lidar, "--out", here["out"] / "gt_by_hand.h5")),
        (
            "See what a protocol fixes and where it differs",
            _command("protocols", "show", "world_lidar", "--diff", "kitti_eigen"),
        ),
    ]


def _command(*words: object) -> str:
    """A command line that calls this program as it can be called here."""
    called = Path(sys.argv[0])
    if shutil.which("depthbench"):
        own = ["depthbench"]
    elif called.stem == "depthbench" and called.is_file():
        own = [str(called)]
    else:
        own = [sys.executable, "-m", "benchmark.cli"]
    return shlex.join([*own, *map(str, words)])
