"""The files the benchmark runs on: 697 frames of the Eigen split, made in a temporary folder."""

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from synthetic_frames import synthetic_frame

from benchmark.io.ground_truth import Header, sparsify
from benchmark.io.ground_truth_files import DATE_SIZES
from benchmark.io.ground_truth_hdf5 import write_hdf5
from benchmark.protocol import FOLDER
from benchmark.splits import load_split
from datasets_prep.field_npz import write_field_npz

DATE, DRIVE = "2011_09_26", "2011_09_26_drive_0001_sync"
REAL_FRAMES = (0, 5, 25, 45)
FRAMES = 697
CAMERAS = """S_rect_02: 1242 375
R_rect_00: 1 0 0 0 1 0 0 0 1
P_rect_02: 721.5 0 609.6 45 0 721.5 172.9 0.2 0 0 1 0.003
"""


class Files(NamedTuple):
    """Where everything lies, and what the scans are."""

    folder: Path
    gt: Path
    field_npz: Path
    disps: Path
    results: Path
    raw: Path
    export_list: Path
    source: str


def make(folder: Path) -> Files:
    """Write all inputs."""
    raw = folder / "kitti_raw"
    source = _scans(raw)
    files = Files(
        folder, folder / "gt.h5", folder / "gt_depths.npz", folder / "disps.npy", folder / "results", raw,
        folder / "list.txt", source,
    )  # fmt: skip
    files.export_list.write_text("".join(f"{DATE}/{DRIVE} {i} l\n" for i in range(FRAMES)))
    split = load_split("kitti_eigen/test")
    base = _base_maps(raw)
    maps = [_fit(base[i % len(base)], DATE_SIZES[name[:10]]) for i, name in enumerate(split.frame_ids)]
    header = Header("kitti_raw", split.name, split.sha256, "lidar_forward_x", split.frame_ids)
    write_hdf5(files.gt, header, [sparsify([m], np.eye(3)) for m in maps])
    write_field_npz(files.field_npz, iter(maps), len(maps))
    streets = [synthetic_frame(seed).prediction for seed in range(8)]
    np.save(files.disps, np.stack([streets[i % 8] for i in range(FRAMES)]))
    return files


def packnet_arithmetic(folder: Path) -> Path:
    """PackNet-SfM's arithmetic on the ground truth of `kitti_eigen`, so that one file serves all settings."""
    content = yaml.safe_load((FOLDER / "packnet_kitti_camera_z.yaml").read_text())
    content["name"] = "packnet_arithmetic"
    content["ground_truth"]["depth_kind"] = "lidar_forward_x"
    path = folder / "packnet_arithmetic.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def _scans(raw: Path) -> str:
    """697 scans of one drive: links to the real ones, or made up."""
    target = raw / DATE / DRIVE / "velodyne_points" / "data"
    target.mkdir(parents=True)
    real = os.environ.get("DEPTHBENCH_REAL_DATA")
    if real:
        date = Path(real) / "kitti_raw" / DATE
        for path in date.glob("calib_*.txt"):
            shutil.copyfile(path, raw / DATE / path.name)
        origins = [date / DRIVE / "velodyne_points" / "data" / f"{n:010d}.bin" for n in REAL_FRAMES]
    else:
        (raw / DATE / "calib_cam_to_cam.txt").write_text(CAMERAS)
        (raw / DATE / "calib_velo_to_cam.txt").write_text("R: 0 -1 0 0 0 -1 1 0 0\nT: 0 -0.08 -0.27\n")
        origins = [raw / f"{n}.bin" for n in range(4)]
        for n, path in enumerate(origins):
            _made_up_scan(n).tofile(path)
    for i in range(FRAMES):
        (target / f"{i:010d}.bin").symlink_to(origins[i % 4].resolve())
    return "four real HDL-64 scans, repeated" if real else "made-up scans"


def _made_up_scan(seed: int) -> np.ndarray:
    """(n, 4) float32: 64 beams over a flat ground 1.73 m below, with obstacles at random ranges."""
    random = np.random.default_rng(seed)
    elevation, azimuth = np.meshgrid(np.deg2rad(np.linspace(2, -24.8, 64)), np.linspace(-np.pi, np.pi, 1900), indexing="ij")
    ground = np.where(elevation < 0, 1.73 / np.maximum(np.sin(-elevation), 1e-6), np.inf)
    distance = np.minimum(np.minimum(ground, random.uniform(5, 75, azimuth.shape)), 78)
    flat = distance * np.cos(elevation)
    points = [flat * np.cos(azimuth), flat * np.sin(azimuth), distance * np.sin(elevation), np.ones_like(flat)]
    return np.stack(points, -1).reshape(-1, 4).round(3).astype("<f4")


def _base_maps(raw: Path) -> list[np.ndarray]:
    from reference import depth_map

    from datasets_prep.kitti_raw import load_calibration

    M = load_calibration(raw, DATE).M_image_lidar("image_02")
    folder = raw / DATE / DRIVE / "velodyne_points" / "data"
    return [depth_map(str(folder / f"{i:010d}.bin"), M, DATE_SIZES[DATE]) for i in range(4)]


def _fit(depth: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The upper left part of a map, filled with empty rows where the size is larger."""
    out = np.zeros(size, np.float32)
    part = depth[: size[0], : size[1]]
    out[: part.shape[0], : part.shape[1]] = part
    return out
