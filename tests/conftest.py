"""Fixtures that all packages share."""

import inspect
import os
import signal
import sys
from collections.abc import Generator
from functools import partialmethod
from pathlib import Path

import pytest
from click.testing import CliRunner
from command import Outcome, Run
from hypothesis import settings

# A shell that puts the tests into the background makes them deaf to interrupts, and whatever they start as well.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ["COLUMNS"] = "100"  # of the terminal that messages are filled to; xdist's workers have 80

if "mix_stderr" in inspect.signature(CliRunner).parameters:  # click 8.1 puts stderr into stdout unless told otherwise
    CliRunner.__init__ = partialmethod(CliRunner.__init__, mix_stderr=False)  # type: ignore[method-assign]

# How long an example takes says nothing on a busy machine; the first one may compile a kernel.
settings.register_profile("depthbench", deadline=None)
settings.load_profile("depthbench")

REQUIRE_GOLDEN = bool(os.environ.get("DEPTHBENCH_REQUIRE_GOLDEN"))  # set where the real samples are sure to be there
GOLDEN_PASSED: list[str] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A golden test that was skipped, or is expected to fail, has failed where the golden numbers are required."""
    report = yield
    if REQUIRE_GOLDEN and report.skipped and item.get_closest_marker("golden"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else getattr(report, "wasxfail", "")
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: DEPTHBENCH_REQUIRE_GOLDEN is set, and this golden test was not met: {reason}"
        vars(report).pop("wasxfail", None)
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count the golden numbers that were met; under xdist the reports of all workers come by here."""
    if report.when == "call" and report.passed and "golden" in report.keywords:
        GOLDEN_PASSED.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run that met no golden number at all fails where they are required: a lost marker must not go unseen."""
    controls = not hasattr(session.config, "workerinput")
    if REQUIRE_GOLDEN and controls and not GOLDEN_PASSED and session.exitstatus == pytest.ExitCode.OK:
        print("\nDEPTHBENCH_REQUIRE_GOLDEN is set, and no test marked golden has passed", flush=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real KITTI and DGP samples; licences forbid shipping them."""
    value = os.environ.get("DEPTHBENCH_REAL_DATA")
    if not value:
        pytest.skip("DEPTHBENCH_REAL_DATA is not set: the real samples are not shipped with the repository")
    path = Path(value)
    if not (path / "golden.json").is_file():
        pytest.fail(f"DEPTHBENCH_REAL_DATA={value} holds no golden.json")
    return path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command in this process, through the same door as the console script."""

    def command(*arguments: object) -> Outcome:
        from benchmark import cli

        monkeypatch.setattr(sys, "argv", ["depthbench", *map(str, arguments)])
        code = 0
        try:
            cli.entry_point()
        except SystemExit as done:
            code = int(done.code or 0)
        caught = capsys.readouterr()
        assert "Traceback" not in caught.err
        return Outcome(code, caught.out, caught.err)

    return command
