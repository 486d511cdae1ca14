import cv2
import numpy as np
import pytest

from benchmark.errors import DatasetError
from datasets_prep.world import labels


def random_flow(shape=(20, 30), seed=0):
    random = np.random.default_rng(seed)
    return random.normal(0, 20, (*shape, 2)).astype(np.float32), random.random(shape) < 0.8


def test_a_flow_comes_back_to_a_128th_of_a_pixel(tmp_path):
    flow, valid = random_flow()
    path = tmp_path / "flow.png"
    path.write_bytes(labels.encode_flow(flow, valid))
    back, known = labels.read_flow(path)
    assert (known == valid).all()
    assert np.abs(back - flow)[valid].max() <= 1 / 128
    assert (back[~valid] == 0).all()


def test_the_channels_of_a_flow_are_kittis(tmp_path):
    flow, valid = np.zeros((1, 2, 2), np.float32), np.array([[True, False]])
    flow[0, 0] = 3.5, -2.25
    path = tmp_path / "flow.png"
    path.write_bytes(labels.encode_flow(flow, valid))
    blue, green, red = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[0, 0]
    # KITTI's devkit: u = (I(u,v,1) - 2^15) / 64, v = (I(u,v,2) - 2^15) / 64, valid = I(u,v,3), channels red, green, blue.
    assert ((red - 2.0**15) / 64, (green - 2.0**15) / 64, blue) == (3.5, -2.25, 1)
    assert not cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[0, 1].any()


@pytest.mark.parametrize(
    ("value", "kept"), [(511.99, True), (-511.99, True), (512.0, False), (-600.0, False), (np.nan, False), (np.inf, False)]
)
def test_a_flow_that_cannot_be_stored_is_not_valid(tmp_path, value, kept):
    path = tmp_path / "flow.png"
    path.write_bytes(labels.encode_flow(np.array([[[1.0, value]]], np.float32), np.array([[True]])))
    flow, valid = labels.read_flow(path)
    assert valid.tolist() == [[kept]]
    assert abs(flow[0, 0, 1] - (value if kept else 0)) < 0.02


def test_instances_come_back(tmp_path):
    random = np.random.default_rng(1)
    semantic = random.integers(0, 34, (12, 16)).astype(np.uint8)
    instance = random.integers(0, 256, (12, 16)).astype(np.uint8)
    path = tmp_path / "instance.png"
    path.write_bytes(labels.encode_instances(semantic, instance))
    assert (cv2.imread(str(path), cv2.IMREAD_UNCHANGED) == semantic.astype(int) * 256 + instance).all()
    classes, numbers = labels.read_instances(path)
    assert (classes == semantic).all()
    assert (numbers == instance).all()
    assert (classes.dtype, numbers.dtype) == (np.uint8, np.uint8)


def test_what_is_no_flow_is_refused(tmp_path):
    path = tmp_path / "flow.png"
    with pytest.raises(DatasetError, match=r"flow.png: the flow cannot be read"):
        labels.read_flow(path)
    for image, text in ((np.zeros((4, 4), np.uint16), "16 bits and colour type 0"), (np.zeros((4, 4, 3), np.uint8), "8 bits")):
        path.write_bytes(labels.encode_png(image))
        with pytest.raises(DatasetError, match=text):
            labels.read_flow(path)
    whole = labels.encode_flow(*random_flow())
    path.write_bytes(whole[:-20])
    with pytest.raises(DatasetError, match="cut short"):
        labels.read_flow(path)
