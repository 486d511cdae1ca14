"""The embedded run: render a small street world, export its ground truth, predict without learning, score, draw, publish.

Everything between the world and the page goes through the same functions as a user's own data and predictions. What was
rendered is found again by the next run; all else is cheap, so it is made anew each time and never stale.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark import __version__, quickstart_sections, quickstart_training
from benchmark.errors import ResultError
from benchmark.protocol import load_protocol
from benchmark.quickstart_commands import next_commands
from benchmark.quickstart_folder import CREATOR, NAMES, Places, check_folder, mark, marked, places, write_text
from benchmark.quickstart_pictures import Seen, pictures
from benchmark.quickstart_sections import Section
from benchmark.quickstart_training import Learnt
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
SUMMARY_TRAINED = (
    "A street that this computer has just made up, some ways to guess its depth, one of them a network that it has trained on "
    "other streets, and their scores against exact depth and against a LiDAR."
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
    quickstart_training.SCALINGS[1]: quickstart_training.ABOUT_FACTOR,
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


class Content(NamedTuple):
    """What the page shows: its first sentence, the methods, those in the first picture, their scores, the sections; where a
    network was trained."""

    summary: str
    methods: Mapping[str, Seen]
    compared: Sequence[str]
    scores: Sequence[Score]
    sections: Sequence[Section]
    trained: Path | None = None


def quickstart(
    out: Path,
    *,
    size: tuple[int, int] = (192, 640),
    seed: int = 0,
    force: bool = False,
    train: bool = False,
    quiet: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Fill a folder with the world, its ground truth, predictions, results, pictures and the page.

    Args:
        out: a new or empty folder, or one that an earlier run made; that run may have been interrupted.
        size: height and width of the images in pixels.
        seed: of the streets.
        force: render anew in a folder of ours; write beside the files of a foreign one, never over them.
        train: then train the smallest recipe, for minutes, and publish again with it among the others.
        quiet: no progress bars on stderr.
        say: is told of each step when it is done.

    Raises:
        InputError: the folder is not ours or cannot be written, or the size or the seed is refused, or what
            training needs is not installed.
    """
    if train:
        from baselines.training_extra import require_training

        require_training("quickstart --train")
    here = places(out)
    ours = check_folder(here, force=force)
    try:
        return _fill(here, size, seed, force=force and ours, train=train, quiet=quiet, say=say)
    except OSError as error:
        raise ResultError(
            f"{error.filename or out}: cannot be written ({error.strerror or error}). Make room or correct the permissions and "
            "run the same command again, which continues from what is there; or choose another --out"
        ) from error


def _fill(
    here: Places, size: tuple[int, int], seed: int, *, force: bool, train: bool, quiet: bool, say: Callable[[str], None]
) -> Outcome:  # fmt: skip
    """All the work, in a folder that may be written to."""
    step = _Steps(say)
    _render(here, size, seed, force=force, quiet=quiet, step=step)
    if force or not marked(here, size, seed):
        quickstart_training.forget(here)
    mark(here, size, seed)
    _export(here, step)
    _predict(here, size, step)
    scores = _score(here, step)
    shown = []
    for part in quickstart_sections.sections(here, seed=seed, force=force, quiet=quiet):
        shown.append(part)
        step(part.step)
    content = Content(SUMMARY, {name: Seen(one.about) for name, one in METHODS.items()}, COMPARED, scores, shown)
    made = _publish(here, content, (*size, seed), step)
    if not train:
        return made
    say(f"{here['page']} shows that; it will be written again with a trained network")
    learnt = quickstart_training.learn(here, protocols=PROTOCOLS, size=size, seed=seed, quiet=quiet, step=step)
    return _publish(here, _with(learnt, content), (*size, seed), step)


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


def _with(learnt: Learnt, content: Content) -> Content:
    """What the page shows once a network is trained; those who have seen the answers stay at the end."""
    methods = {**content.methods, learnt.name: learnt.seen}
    return Content(
        SUMMARY_TRAINED,
        dict(sorted(methods.items(), key=lambda item: item[0] in ORACLES)),
        (COMPARED[1], learnt.name, COMPARED[2]),
        [*content.scores, *learnt.scores],
        [learnt.section, *content.sections],
        learnt.run,
    )


def _publish(here: Places, content: Content, world: tuple[int, int, int], step: _Steps) -> Outcome:
    """Draw the pictures and write `leaderboard.md` and the page."""
    from leaderboard.page import Board, Page, render_page
    from leaderboard.tables import markdown, tables_by_protocol, terminal

    boards = [
        Board(f"{table.protocol} v{table.version}", f"{load_protocol(table.protocol).title}. {ORACLE}", table)
        for table in tables_by_protocol([one.record for one in content.scores], unranked=ORACLES)
    ]
    commands, extra = next_commands(here, TEST, content.trained), content.sections
    hero, *others = pictures(here, content.methods, content.compared, split=TEST, frame=PANEL_FRAME)
    origins = [*_provenance(content.scores, world), *(pair for part in extra for pair in part.provenance)]
    page = Page(
        title=CREATOR, summary=content.summary, caution=CAUTION, boards=boards, scalings=SCALINGS, hero=hero, pictures=others,
        commands=commands, provenance=origins, exhibits=[quickstart_sections.exhibit(part, here["out"]) for part in extra],
    )  # fmt: skip
    sections = [f"## {board.title}\n\n{board.about}\n\n{markdown(board.table)}" for board in boards]
    sections += [quickstart_sections.markdown(part) for part in extra]
    write_text(here["markdown"], "\n".join([f"# {CREATOR}\n\n{content.summary} {CAUTION}\n", *sections]))
    write_text(here["page"], render_page(page))
    step(f"drew {1 + len(others) + len(extra)} pictures and wrote {NAMES['markdown']} and {NAMES['page']}")
    shown = [*(terminal(board.table) for board in boards), *(quickstart_sections.terminal(part) for part in extra)]
    tries = [f"{what}:\n  {command}" for what, command in commands]
    return Outcome(here["page"], "\n\n".join([*shown, CAUTION, f"The page: {here['page']}", "\n".join(tries)]))


def _provenance(scores: Sequence[Score], world: tuple[int, int, int]) -> list[tuple[str, str]]:
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
