"""Whether what training needs is installed: asked without importing any of it, which takes seconds."""

from __future__ import annotations

from importlib.util import find_spec

from benchmark.errors import OptionError

MODULES = ("torch", "lightning", "tensorboard")  # of the extra `train`


def require_training(asked: str, modules: tuple[str, ...] = MODULES) -> None:
    """Refuse what was `asked` for where the extra, or the modules of it that this needs, are not installed.

    Raises:
        OptionError: one of its modules is not there.
    """
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise OptionError(
            f"{asked} needs {', '.join(missing)}, which this Python does not have; install the extra for training, "
            "`pip install -e '.[train]'` in the checkout (`-c constraints.txt` picks the tested versions), and run the same "
            "command again; or leave training out, since all else works without it"
        )
