"""What a command of ours did, as a test sees it; the fixture `run` of conftest.py calls one."""

from collections.abc import Callable
from typing import NamedTuple


class Outcome(NamedTuple):
    """Exit code, stdout and stderr of a command."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]
