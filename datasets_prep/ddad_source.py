"""Ground truth of DDAD: each frame's LiDAR scan, projected with the poses of both sensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmark.errors import DatasetError
from benchmark.io.ground_truth import Part
from benchmark.splits import Frame, Split
from datasets_prep import ddad, dgp


@dataclass(frozen=True)
class DdadSource:
    """Scans of DDAD, projected. `scenes` holds the scene file of each scene; `ego_masks` is a folder of PNGs or None."""

    scenes: dict[str, Path]
    rule: str = "last_point"
    ego_masks: Path | None = None
    depth_kind: str = "camera_z"
    data_scale: float | None = None

    def files(self, frame: Frame) -> tuple[Path, ...]:
        """The scan of a frame, the scene and calibration files, the ego mask."""
        one = ddad.recording(self.scenes, frame)
        assert one.scan.path is not None
        masks = (ddad.ego_mask_path(self.ego_masks, frame.camera),) if self.ego_masks else ()
        return one.scan.path, self.scenes[frame.drive], one.calibration, *masks

    def mask(self, frame: Frame) -> npt.NDArray[np.bool_] | None:
        """The ego mask of a frame's camera, held to the frame's size; None without `ego_masks`."""
        if self.ego_masks is None:
            return None
        shape = ddad.recording(self.scenes, frame).image.shape or (0, 0)
        return ddad.read_ego_mask(ddad.ego_mask_path(self.ego_masks, frame.camera), shape)

    def part(self, frames: Sequence[Frame]) -> Part:
        """Project the scans of consecutive frames; cameras of one sample share a scan, which is read once."""
        shapes, intrinsics, counts, columns, depths = [], [], [], [], []
        scan, points = None, np.empty((0, 3))
        for frame in frames:
            one = ddad.recording(self.scenes, frame)
            if one.scan.path != scan:
                scan, points = one.scan.path, dgp.read_points(one.scan)
                if not np.isfinite(points).any():
                    raise DatasetError(f"{scan}: data: {len(points)} points, none of them finite; fetch the scene again")
            ddad.check_image(one.image)
            shape, K = one.image.shape or (0, 0), one.K()
            pixel, depth = ddad.project_points(points, one.T_camera_lidar(), K, shape=shape, rule=self.rule)
            mask = self.mask(frame)
            if mask is not None:
                seen = mask.ravel()[pixel]
                pixel, depth = pixel[seen], depth[seen]
            shapes.append(shape)
            intrinsics.append(K)
            counts.append(np.bincount(pixel // shape[1], minlength=shape[0]))
            columns.append((pixel % shape[1]).astype(np.uint16))
            depths.append(depth)
        return Part(
            np.array(shapes, np.int64), np.stack(intrinsics), np.concatenate(counts), np.concatenate(columns),
            np.concatenate(depths),
        )  # fmt: skip


def declare(split: Split, *, rule: str, ego_masks: Path | None) -> Split:
    """The split under a name that says what was done to its depth: `ddad/val+nearest_point+ego_masks`."""
    name = split.name + f"+{rule}" * (rule != "last_point") + "+ego_masks" * (ego_masks is not None)
    return replace(split, name=name)
