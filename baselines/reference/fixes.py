"""What the authors' code of 2018 needs in order to do on today's libraries what it did on those of its day.

Applied to a temporary copy, and listed. A fix quotes no more than the expression that has to change.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from baselines.reference import shared_jitter

# All that training imports. The lists of frames are ours; weights and data that lie in the checkout are not needed.
COPIED = ("*.py", "networks/*.py", "datasets/*.py")
JITTER = "depthbench_jitter"  # what our shared_jitter.py is called there


class Fix(NamedTuple):
    """One change in a file, by a regular expression; made where the library `package` is at least of version `since`."""

    name: str
    file: str
    why: str
    pattern: str
    replacement: str
    package: str
    since: str


class Applied(NamedTuple):
    """A fix and how often its pattern was there; 0 where the checkout has something else there."""

    fix: Fix
    places: int

    def text(self) -> str:
        """One line for people and for the run's record."""
        where = f"{self.places} place{'s' if self.places > 1 else ''}" if self.places else "not found, left as it is"
        return f"{self.fix.name}: {self.fix.file}, {where}; {self.fix.why}"


def copy_code(checkout: Path, copy: Path) -> None:
    """Copy the Python files that training needs, and our jitter beside them."""
    for pattern in COPIED:
        for path in sorted(checkout.glob(pattern)):
            target = copy / path.relative_to(checkout)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    shutil.copyfile(Path(shared_jitter.__file__), copy / f"{JITTER}.py")


def apply_fixes(copy: Path, versions: Mapping[str, str | None]) -> list[Applied]:
    """Make the changes that these versions of the libraries ask for; an unknown version counts as a new one."""
    applied = []
    for fix in FIXES:
        version = versions.get(fix.package)
        if version is not None and release(version) < release(fix.since):
            continue
        path = copy / fix.file
        text, places = re.subn(fix.pattern, fix.replacement, path.read_text("utf-8"))
        path.write_text(text, "utf-8")
        applied.append(Applied(fix, places))
    return applied


def release(version: str) -> tuple[int, ...]:
    """(2, 13, 0) of `2.13.0+cpu`."""
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])


FIXES = (
    Fix(
        "align_corners", "trainer.py",
        "pixels are normalised by width - 1, for which torch took align_corners=True without being asked until 1.2",
        r"""padding_mode=(["'])border\1\s*\)""", r'padding_mode="border", align_corners=True)', "torch", "1.3",
    ),
    Fix(
        "learning_rate", "trainer.py",
        "schedulers take the rate of loaded Adam weights for the one that was asked for since torch 1.4",
        r"optimizer\.load_state_dict\((\w+)\)",
        r"optimizer.load_state_dict(dict(\1, param_groups=[dict(g, lr=self.opt.learning_rate) for g in \1['param_groups']]))",
        "torch", "1.4",
    ),
    Fix(
        "next", "trainer.py", "the loader's iterators have no method next() any more",
        r"self\.val_iter\.next\(\)", "next(self.val_iter)", "torch", "1.0",
    ),
    Fix(
        "shared_jitter", "datasets/mono_dataset.py",
        "get_params returns numbers and no transform since torchvision 0.8; all frames of an item still share one draw",
        r"transforms\.ColorJitter\.get_params\(", f'__import__("{JITTER}").shared(transforms, ', "torchvision", "0.8",
    ),
    Fix(
        "lanczos", "datasets/mono_dataset.py", "Pillow 10 has one name for this filter only",
        r"Image\.ANTIALIAS", "Image.LANCZOS", "PIL", "2.7",
    ),
    Fix(
        "imagenet_url", "networks/resnet_encoder.py", "torchvision 0.15 has no model_urls, and 0.14 has what followed",
        r"models\.resnet\.model_urls\[(.+?)\]", r"models.get_model_weights(\1).IMAGENET1K_V1.url", "torchvision", "0.14",
    ),
)  # fmt: skip
