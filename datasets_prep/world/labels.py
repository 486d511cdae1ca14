"""Labels in the encodings of KITTI's benchmarks: optical flow and instances as 16-bit PNG, written and read.

Flow: Menze and Geiger, "Object Scene Flow for Autonomous Vehicles", CVPR 2015. Instances: Abu Alhaija et al., "Augmented
Reality Meets Computer Vision", IJCV 2018.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark.errors import DatasetError
from benchmark.io.png import check_png, read_png16

Labels = npt.NDArray[np.uint8]

COLOUR_16 = (16, 2)  # bit depth and colour type of the header
FLOW_SCALE, FLOW_ZERO = 64, 1 << 15
# Run lengths after PNG's own filters: smaller than zlib's level 6 on a 192x640 street image (248 against 260 kB), in 5.5 ms
# against 13; level 1 takes 7.9 ms and 268 kB. On 16-bit depth and flow likewise.
PNG_LEVEL = 1


def encode_png(image: npt.NDArray[Any]) -> bytes:
    """A PNG of an image (H, W) or (H, W, 3) in OpenCV's order of channels, uint8 or uint16."""
    import cv2

    # The strategy after the level, which resets it.
    options = [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    done, content = cv2.imencode(".png", image, options)
    if not done:
        raise ValueError(f"OpenCV cannot encode {image.dtype} of shape {image.shape} as PNG")
    return content.tobytes()


def encode_flow(flow: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_]) -> bytes:
    """KITTI's flow PNG of a flow (H, W, 2) in pixels: u * 64 + 2^15, v likewise, validity; 0 where not valid (H, W).

    A flow of 512 pixels and more cannot be stored and is not valid.
    """
    # The range before the cast: a NaN or a huge value has no integer.
    near = (np.abs(flow) < FLOW_ZERO / FLOW_SCALE).all(axis=-1)
    known = valid & near
    # OpenCV's blue, green, red: the file holds u in red, v in green and the validity in blue.
    image = np.zeros((*flow.shape[:2], 3), np.uint16)
    image[..., 0] = known
    steps = np.rint(flow[known].astype(np.float64) * FLOW_SCALE) + FLOW_ZERO
    image[known, 1:] = np.clip(steps, 0, np.iinfo(np.uint16).max)[:, ::-1]
    return encode_png(image)


def read_flow(path: Path) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """A flow PNG: pixels to the next frame (H, W, 2) float32, and where they are known (H, W); 0 elsewhere.

    Raises:
        DatasetError: missing, damaged, or not 16-bit with three channels.
    """
    import cv2

    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: the flow cannot be read ({error}); render it again") from error
    check_png(raw, path, DatasetError)
    depth, colour = struct.unpack_from(">BB", raw, 24)
    image = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_UNCHANGED) if (depth, colour) == COLOUR_16 else None
    if image is None:
        raise DatasetError(
            f"{path}: a PNG of {depth} bits and colour type {colour} that holds no flow; expected a whole 16-bit image of "
            "three channels: render it again"
        )
    valid = image[..., 0] > 0
    flow = (image[..., :0:-1].astype(np.float32) - np.float32(FLOW_ZERO)) / np.float32(FLOW_SCALE)
    flow[~valid] = 0
    return flow, valid


def encode_instances(semantic: Labels, instance: Labels) -> bytes:
    """KITTI's instance PNG of classes (H, W) and the number of each instance in its class (H, W): class * 256 + number."""
    return encode_png(semantic.astype(np.uint16) * np.uint16(256) + instance)


def read_instances(path: Path) -> tuple[Labels, Labels]:
    """An instance PNG: classes (H, W) and the number of each instance in its class (H, W)."""
    image = read_png16(path, DatasetError)
    return (image >> 8).astype(np.uint8), (image & 255).astype(np.uint8)
