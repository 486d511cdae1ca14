"""Progress of a transfer: plain lines where stderr is no terminal, a bar where it is."""

import io
import sys

import pytest

from datasets_prep.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_lines_now_and_then(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("datasets_prep.progress.LINE_EVERY_S", 0.0)
    with Progress("a.zip") as report:
        report(1_000_000, 4_000_000)
        report(3_000_000, 4_000_000)
        report(3_500_000, None)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("a.zip: 1.0 of 4.0 MB (25%), 0.0 MB/s")
    assert lines[1].startswith("a.zip: 3.0 of 4.0 MB (75%), ")
    assert lines[1].endswith(" s left")
    assert lines[2].startswith("a.zip: 3.5 MB, ")


def test_other_units_are_counted_one_by_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("datasets_prep.progress.LINE_EVERY_S", 0.0)
    with Progress("export_gt", unit="frame") as report, Progress("quiet", unit="frame", quiet=True) as silent:
        report(0, 40)
        report(16, 40)
        silent(16, 40)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0] == "export_gt: 0 of 40 frames (0%), 0.0 frames/s"
    assert lines[1].startswith("export_gt: 16 of 40 frames (40%), ")


def test_no_line_before_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("a.zip") as report:
        for done in range(100):
            report(done, 100)
    assert capsys.readouterr().err == ""


def test_bar_on_a_terminal_also_when_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress("a.zip") as report:
        report(600, 1000)
        report(100, 1000)
        report(1000, 1000)
    last = terminal.getvalue().rstrip().split("\r")[-1]
    assert "a.zip: 100%" in last
    assert "1.00k/1.00k" in last
