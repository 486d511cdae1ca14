"""Progress of long work on stderr: a bar with rate and remaining time on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import NoReturn

from tqdm import tqdm

LINE_EVERY_S = 10.0


class Progress:
    """Call it with (units done, units in all or None); use it as a context manager, so that the bar is closed."""

    def __init__(self, label: str, *, unit: str = "B", quiet: bool = False) -> None:
        self._label = label
        self._unit = unit
        self._quiet = quiet
        self._bar: tqdm[NoReturn] | None = None
        self._first: tuple[float, int] | None = None
        self._last_line = time.monotonic()

    def __call__(self, done: int, total: int | None, *, note: str = "") -> None:
        """Show the state, with a note at the end; `done` may fall when a transfer begins anew."""
        if self._quiet:
            return
        if self._first is None or done < self._first[1]:
            self._first = (time.monotonic(), done)
        if not sys.stderr.isatty():
            self._line(done, total, note)
            return
        if self._bar is None:
            self._bar = tqdm(
                desc=self._label, total=total, initial=done, unit=self._unit, unit_scale=self._unit == "B", file=sys.stderr
            )
        self._bar.total = total
        if note:
            self._bar.set_postfix_str(note, refresh=False)
        if done >= self._bar.n:
            self._bar.update(done - self._bar.n)
        else:
            self._bar.n = self._bar.initial = done
            self._bar.refresh()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.close()

    def _line(self, done: int, total: int | None, note: str) -> None:
        now = time.monotonic()
        if self._first is None or now - self._last_line < LINE_EVERY_S:
            return
        self._last_line = now
        rate = (done - self._first[1]) / max(now - self._first[0], 1e-9)
        size, digits, unit = (1e6, 1, "MB") if self._unit == "B" else (1.0, 0, f"{self._unit}s")
        whole = f" of {total / size:.{digits}f}" if total else ""
        share = f" ({done / total:.0%})" if total else ""
        # The first piece also pays for what happens once, such as compiling: it says nothing of the rest.
        rest = f", {(total - done) / rate:.0f} s left" if total and rate and done > self._first[1] + 1 else ""
        rest += f", {note}" if note else ""
        say(f"{self._label}: {done / size:.{digits}f}{whole} {unit}{share}, {rate / size:.1f} {unit}/s{rest}")


def say(line: str) -> None:
    """One line on stderr, above a bar if one is shown."""
    tqdm.write(line, file=sys.stderr)


def megabytes(n_bytes: int) -> str:
    """A size for people: `1234.5 MB`."""
    return f"{n_bytes / 1e6:.1f} MB"
