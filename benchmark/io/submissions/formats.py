"""What each challenge server expects of a pack."""

from __future__ import annotations

from dataclasses import dataclass

METRE = 256  # raw units
STREET_M = (1.0, 128.0)  # no street has its median depth outside; metres stored without the factor 256 do


@dataclass(frozen=True)
class PackFormat:
    """What a server expects: digits of a position, number of images, their (height, width) (None: any), their split, the
    largest raw value that is a depth; and what predictions are taken to be that do not say it (None: they must)."""

    title: str
    digits: int
    count: int
    size: tuple[int, int] | None
    split: str | None
    largest: int
    kind: str | None

    def names(self, count: int) -> tuple[str, ...]:
        """The files of a pack of `count` images, in order."""
        return tuple(f"{i:0{self.digits}d}.png" for i in range(count))


PACK_FORMATS = {
    "kitti_benchmark": PackFormat(
        "KITTI depth prediction benchmark", 10, 500, (352, 1216), "kitti_benchmark/test", 65534, "disparity"
    ),
    "ddad_challenge": PackFormat("DDAD challenge", 6, 3080, None, None, 65535, None),  # its evaluator clamps at 200 m
}
