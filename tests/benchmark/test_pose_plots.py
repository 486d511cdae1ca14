"""Figures of trajectories: the lines hold the numbers, scales are equal, gaps are gaps, and files hold what they should."""

import errno
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner
from pose_paths import drive, noisy, trajectory

from benchmark.cli import main
from benchmark.errors import OptionError, ResultError
from benchmark.evaluate_pose import PoseRow, SegmentTable, evaluate_pose, mean_rows, segment_table
from benchmark.io.trajectories import write_kitti
from benchmark.plots import INK, png
from benchmark.pose_plot_files import file_names, write_plots
from benchmark.pose_plots import (
    COLOURS,
    by_length,
    by_speed,
    draw_sequence,
    errors_figure,
    interrupted,
    path_figure,
    scale_figure,
)

KINDS = ["trajectory", "errors_by_length", "errors_by_speed", "scale_drift"]


def rows(*, sequence: str = "09", keep: slice | list[int] = slice(None), n: int = 500) -> list[PoseRow]:
    gt = drive(n)
    frame = np.arange(n)[keep]
    return evaluate_pose(trajectory(gt), trajectory(noisy(gt)[keep], frame=frame), sequence=sequence)


def lines(axes: Any) -> dict[str, np.ndarray]:
    """The data (n, 2) of the labelled lines."""
    return {line.get_label(): line.get_xydata() for line in axes.lines if not line.get_label().startswith("_")}


def table(length_m: Any, speed_mps: Any, t: Any, r: Any) -> SegmentTable:
    none = np.zeros(len(length_m), np.int64)
    return SegmentTable(none, none, *(np.asarray(values, np.float64) for values in (length_m, speed_mps, t, r)))


def test_the_path_is_seen_from_above() -> None:
    gt, pred = np.array([[0.0, 9, 0], [1, 9, 5], [2, 9, 9]]), np.array([[0.5, 0, 0], [np.nan] * 3, [2.5, 0, 9]])
    figure = path_figure(gt, {"7dof": pred}, title="T", labels={"7dof": "7dof: ATE 1 m"})
    drawn = lines(figure.axes[0])
    np.testing.assert_array_equal(drawn["ground truth"], [[0, 0], [1, 5], [2, 9]])
    np.testing.assert_array_equal(drawn["7dof: ATE 1 m"], [[0.5, 0], [np.nan, np.nan], [2.5, 9]])
    assert [axes.get_xlabel()[0] + axes.get_ylabel()[0] for axes in figure.axes] == ["xz"]
    assert figure.axes[0].get_xlabel() == "x, to the right of the first predicted camera [m]"
    starts_and_ends = [
        tuple(line.get_xydata()[0])
        for line in figure.axes[0].lines
        if line.get_marker() in {"o", "s"} and len(line.get_xydata())
    ]
    assert starts_and_ends[:4] == [(0, 0), (2, 9), (0.5, 0), (2.5, 9)]


@pytest.mark.parametrize("shape", [(1, 30), (30, 1), (10, 10)])
def test_a_metre_is_as_long_upwards_as_sideways(shape: tuple[float, float]) -> None:
    path = np.column_stack([np.linspace(0, shape[0], 50), np.zeros(50), np.linspace(0, shape[1], 50)])
    figure = path_figure(path, {}, title="T", labels={})
    png(figure)
    place = figure.axes[0].transData.transform([(0, 0), (1, 0), (0, 1)])
    assert place[1, 0] - place[0, 0] == pytest.approx(place[2, 1] - place[0, 1], rel=1e-9)
    visible = np.array([figure.axes[0].get_xlim(), figure.axes[0].get_ylim()])
    assert (visible[:, 0] <= 0).all()
    assert (visible[:, 1] >= shape).all()


def test_gaps_of_the_prediction_are_gaps_of_its_line() -> None:
    places = np.array([0, 1, 4, 6, 7])
    assert np.flatnonzero(np.isnan(interrupted(np.ones((5, 3)), places)[:, 0])).tolist() == [2, 4]
    assert interrupted(np.empty((0, 3)), places).shape == (0, 3)
    keep = [*range(200), 250, *range(300, 500)]
    axes = draw_sequence([row for row in rows(keep=keep) if row.alignment == "7dof"])["trajectory"].axes[0]
    (drawn,) = (data for label, data in lines(axes).items() if label.startswith("7dof"))
    assert np.flatnonzero(np.isnan(drawn[:, 0])).tolist() == [200, 202]
    # A pose between two gaps is no line, and is drawn as a dot.
    (dots,) = (line.get_xydata() for line in axes.lines if line.get_marker() == "." and line.get_color() == COLOURS["7dof"])
    np.testing.assert_array_equal(dots, drawn[[201]])


def test_the_means_by_length() -> None:
    curve = by_length(table([100, 200, 100], [9, 9, 9], [1, 5, 3], [0.1, 0.5, 0.2]))
    assert curve.at.tolist() == [100, 200]
    assert curve.t_err.tolist() == [2, 5]
    np.testing.assert_allclose(curve.r_err, [0.15, 0.5])
    assert curve.segments.tolist() == [2, 1]


def test_the_means_by_speed_are_the_devkits() -> None:
    """Around 2, 4, ... m/s everything within 2 m/s, both ends out, from three segments on; no segment is too fast."""
    speed = [5.9, 6.0, 6.1, 7.9, 8.0, 30.0, 30.1, 30.2]
    curve = by_speed(table([100] * 8, speed, np.arange(8.0), np.zeros(8)))
    # Around 4: 5.9 alone. Around 6: 5.9 .. 7.9. Around 8: 6.1, 7.9, 8.0. Around 30: the last three; around 32: 30.1, 30.2.
    np.testing.assert_allclose(curve.at, [6 * 3.6, 8 * 3.6, 30 * 3.6])
    assert curve.t_err.tolist() == [1.5, 3.0, 6.0]
    assert curve.segments.tolist() == [4, 3, 3]
    assert len(by_speed(table([100] * 2, [5, 5], [1, 1], [1, 1])).at) == 0


def test_the_lines_of_errors_hold_the_means() -> None:
    curve = by_length(table([100, 200], [9, 9], [1, 5], [0.1, 0.5]))
    figure = errors_figure({"6dof": curve, "none": curve}, title="T", xlabel="m", labels={"6dof": "six", "none": "no"})
    upper, lower = figure.axes
    assert {label: data.tolist() for label, data in lines(upper).items()} == {
        "six": [[100, 1], [200, 5]],
        "no": [[100, 1], [200, 5]],
    }
    assert lines(lower)["six"].tolist() == [[100, 0.1], [200, 0.5]]
    assert upper.get_ylim()[0] == lower.get_ylim()[0] == 0
    assert upper.get_ylim()[1] > 5
    # What lies exactly on another curve stays visible.
    assert upper.lines[0].get_linestyle() == "-"
    assert upper.lines[1].get_linestyle() == "--"
    assert len(figure.legends) == 1
    assert not errors_figure({"6dof": curve}, title="T", xlabel="m", labels={"6dof": "six"}).legends


def test_the_scale_is_shown_against_its_mean() -> None:
    axes = scale_figure(np.array([50.0, 150, 250]), np.array([9.0, np.nan, 11]), title="T").axes[0]
    np.testing.assert_allclose(axes.lines[1].get_xydata(), [[50, -10], [150, np.nan], [250, 10]])
    assert axes.get_ylim() == pytest.approx((-11, 11))
    assert scale_figure(np.empty(0), np.empty(0), title="T").axes[0].get_ylim() == (-1, 1)


def test_titles_name_the_sequence_and_the_number() -> None:
    scored = {row.alignment: row for row in rows()}
    figures = draw_sequence([scored["7dof"], scored["none"]])
    assert list(figures) == KINDS
    titles = {kind: figure.get_suptitle() for kind, figure in figures.items()}
    values = scored["7dof"].metrics
    assert titles["trajectory"] == f"sequence 09: ATE {values['ate_rmse']:.2f} m (7dof), 500 poses, 500 m"
    segments = f"sequence 09: t_err {values['t_err']:.2f} %, r_err {values['r_err']:.3f} °/100 m (7dof), "
    assert titles["errors_by_length"] == titles["errors_by_speed"] == f"{segments}{scored['7dof'].n_segments} segments"
    assert titles["scale_drift"].startswith(f"sequence 09: scale drift {scored['7dof'].scale_drift:.2f} % ")
    legend = [text.get_text() for text in figures["trajectory"].legends[0].get_texts()]
    assert legend == [
        "ground truth",
        *(f"{a}: ATE {scored[a].metrics['ate_rmse']:.2f} m" for a in ("7dof", "none")),
        "start",
        "end",
    ]


def test_an_alignment_that_does_not_exist_is_said_to_be_undefined(tmp_path: Path) -> None:
    straight = drive(301, turn_rad=0.0)
    straight[:, 1, 3] = 0
    scored = evaluate_pose(trajectory(straight), trajectory(straight), sequence="00")
    figures = draw_sequence([row for row in scored if row.alignment in {"7dof", "none"}][::-1])
    assert "ATE undefined (7dof)" in figures["trajectory"].get_suptitle()
    assert lines(figures["trajectory"].axes[0])["7dof: undefined"].shape == (0, 2)
    assert len(write_plots(tmp_path, scored, alignments=["7dof"])) == 4  # path and scale; no errors of segments


def test_figures_that_an_earlier_run_left_are_removed(tmp_path: Path) -> None:
    scored = [*rows(sequence="00"), *rows(sequence="01", n=400)]
    write_plots(tmp_path, scored, alignments=["7dof", "6dof"])
    (tmp_path / "00.notes.png").write_text("mine")
    undefined = [replace(row, reason="a line", similarity=None) for row in scored if row.alignment == "7dof"]
    assert len(write_plots(tmp_path, undefined, alignments=["7dof"])) == 8
    kinds = [
        f"{sequence}.{kind}{end}" for sequence in ("00", "01") for kind in (KINDS[0], KINDS[3]) for end in (".png", ".svg")
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*kinds, "00.notes.png"])
    write_plots(tmp_path, undefined[:1], alignments=["7dof"])
    assert (tmp_path / "01.trajectory.png").is_file()


def test_the_pooled_segments_say_which_sequence_they_lack(tmp_path: Path) -> None:
    scored = [*rows(sequence="00"), *(replace(row, reason="a line") for row in rows(sequence="01") if row.alignment == "7dof")]
    write_plots(tmp_path, scored, alignments=["7dof", "6dof"])
    text = "".join(ElementTree.fromstring((tmp_path / "all.errors_by_length.svg").read_bytes()).itertext())
    assert "(7dof without 01)" in text
    assert "6dof: " in text


def test_a_drift_that_does_not_exist_is_not_drawn_as_a_number() -> None:
    poses = np.tile(np.eye(4), (401, 1, 1))
    poses[:, 2, 3] = np.minimum(np.arange(401), 150)  # then it stands still
    scored = evaluate_pose(trajectory(drive(401)), trajectory(poses), sequence="00", alignments=["none"])
    title = draw_sequence([replace(scored[0], scale_drift=float("nan"))])["scale_drift"].get_suptitle()
    assert " ".join(title.split()) == "sequence 00: scale drift undefined (2 of 4 pieces have a scale)"
    poses[:, 2, 3] = 0
    still = evaluate_pose(trajectory(drive(401)), trajectory(poses), sequence="00", alignments=["none"])
    assert "scale_drift" not in draw_sequence(still)


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("benchmark.io.files.os.fsync", full)
    with pytest.raises(
        ResultError, match=rf"{tmp_path}: cannot write the plots \(.*No space left .*\); choose another --plots"
    ):
        write_plots(tmp_path, rows(), alignments=["7dof"])
    assert not list(tmp_path.iterdir())


def test_png_and_svg_of_everything_are_written(tmp_path: Path) -> None:
    scored = [*rows(sequence="00"), *rows(sequence="01", n=400)]
    written = write_plots(tmp_path / "new" / "plots", [*scored, *mean_rows(scored)], alignments=["7dof", "6dof"])
    names = [f"{sequence}.{kind}" for sequence in ("00", "01") for kind in KINDS] + [f"all.{kind}" for kind in KINDS[1:3]]
    assert [path.name for path in written] == [f"{name}{end}" for name in names for end in (".png", ".svg")]
    assert sorted(path.name for path in (tmp_path / "new/plots").iterdir()) == sorted(path.name for path in written)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written[::2])
    pooled = np.concatenate([segment_table(row).t_err_percent for row in scored if row.alignment == "7dof"])
    assert f"all sequences: t_err {pooled.mean():.2f} %" in (tmp_path / "new/plots/all.errors_by_length.svg").read_text("utf-8")


def test_an_svg_refers_to_nothing_outside_and_holds_its_text(tmp_path: Path) -> None:
    for path in write_plots(tmp_path, rows(), alignments=["7dof"])[1::2]:
        text = path.read_text("utf-8")
        assert set(re.findall(r"https?://[^\"' ]+", text)) == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
        assert all(target.startswith("#") for target in re.findall(r'href="([^"]*)"', text))
        assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", text))
        assert not re.search(r"<!DOCTYPE|<metadata|<script|<image", text)
        assert "sequence 09: " in "".join(ElementTree.fromstring(text).itertext())


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = (write_plots(tmp_path / name, rows(), alignments=["7dof", "none"]) for name in "ab")
    assert [a.read_bytes() == b.read_bytes() for a, b in zip(first, second, strict=True)] == [True] * 8


def test_a_long_sequence_stays_small(tmp_path: Path) -> None:
    """4,661 poses, as many as the longest of KITTI's, under every alignment."""
    gt = drive(4661, turn_rad=0.002)
    scored = evaluate_pose(trajectory(gt), trajectory(noisy(gt)), sequence="02")
    paths = write_plots(tmp_path, scored, alignments=[row.alignment for row in scored])
    assert max(path.stat().st_size for path in paths) < 300_000


@pytest.mark.parametrize("name", [r"02 $\frac{", "日本", "a\x01b\nc", "../../x", "<b>&", "x" * 300, "\udcff"])
def test_any_name_of_a_sequence_will_do(tmp_path: Path, name: str) -> None:
    written = write_plots(tmp_path, rows(sequence=name), alignments=["none"])
    assert {path.parent for path in written} == {tmp_path}
    assert len({path.name for path in written}) == 8
    for path in written[1::2]:
        assert "sequence" in "".join(ElementTree.fromstring(path.read_bytes()).itertext())


def test_file_names_are_plain_and_differ() -> None:
    names = file_names(["a b", "a/b", "A_B", "..", "all", "x" * 200, "09"])
    assert names == ["a_b", "a_b-2", "A_B-3", "sequence", "all-2", "x" * 80, "09"]
    assert len({name.casefold() for name in names}) == len(names)


def test_what_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="nothing to plot: no sequence was scored under scale"):
        write_plots(tmp_path / "plots", [row for row in rows() if row.alignment == "7dof"], alignments=["scale"])
    assert not (tmp_path / "plots").exists()
    # Snippets have no whole trajectory.
    with pytest.raises(OptionError, match="09: snippets have no trajectory to draw"):
        write_plots(tmp_path / "plots", [replace(row, pair=None) for row in rows()], alignments=["7dof"])
    assert not (tmp_path / "plots").exists()


def test_pyplot_and_the_settings_are_left_alone(tmp_path: Path) -> None:
    from matplotlib import _pylab_helpers, rcParams

    before = dict(rcParams)
    write_plots(tmp_path, rows(), alignments=["7dof"])
    assert dict(rcParams) == before
    assert not _pylab_helpers.Gcf.figs


def test_the_ground_truth_has_a_colour_of_its_own() -> None:
    assert len({INK, *COLOURS.values()}) == 6


def test_the_command_writes_plots(tmp_path: Path) -> None:
    for name, poses in (("gt", drive(300)), ("pred", noisy(drive(300)))):
        (tmp_path / name).mkdir()
        write_kitti(tmp_path / name / "09.txt", trajectory(poses))
    arguments = ["evaluate_pose", tmp_path / "pred", "--gt", tmp_path / "gt", "--plots", tmp_path / "plots"]
    outcome = CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)
    assert outcome.exit_code == 0
    assert (tmp_path / "plots/09.trajectory.svg").is_file()
