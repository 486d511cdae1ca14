"""How the command ends: exit 0 done, 1 the input is at fault (one paragraph on stderr), 2 wrong usage, 130 interrupted."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from typing import NoReturn

import click

from benchmark.errors import InputError, OptionError
from benchmark.shadow import check_not_shadowed


def run(command: click.Group) -> None:
    """Run the command and turn what it raises into a paragraph and an exit code; `--debug` keeps the traceback."""
    # Imports make many objects and hardly any garbage: looking for it less often saves 0.1 s of a one-second command.
    gc.set_threshold(50_000, 20, 20)
    state = {"debug": False}
    try:
        check_not_shadowed()
        command(standalone_mode=False, obj=state)
        gc.freeze()  # the process ends here: its objects need no last inspection (70 ms with the kernels loaded)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("depthbench: interrupted", err=True)
        _leave_at_once(130)
    except BrokenPipeError:
        # Whoever read our output has gone (`depthbench ... | head`); the flush at exit must not fail on it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (InputError, OSError, MemoryError) as error:
        if state["debug"]:
            raise
        click.echo(f"depthbench: {_paragraph(error)}", err=True)
        sys.exit(2 if isinstance(error, OptionError) else 1)


def _leave_at_once(code: int) -> NoReturn:
    """End without taking the interpreter down: threads of a pool may still be in C++ code, which would abort the process.

    Whoever had something to tidy up has done so while the exception passed.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _paragraph(error: InputError | OSError | MemoryError) -> str:
    if isinstance(error, MemoryError):
        return f"not enough memory ({error}); use smaller inputs, fewer workers, or a larger machine"
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'} cannot be used: {error.strerror or error}"
    return str(error)
