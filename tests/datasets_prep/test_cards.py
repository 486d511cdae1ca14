import dataclasses

import pytest
import yaml

from benchmark.errors import DatasetError
from benchmark.splits import read_index
from datasets_prep import cards


@pytest.mark.parametrize("name", cards.card_names())
def test_cards_are_complete_and_agree_with_the_splits(name):
    card = cards.load_card(name)
    index = read_index()
    assert card.licence == "MIT" if name == "world" else "CC BY-NC-SA" in card.licence
    assert any(year in card.citation[0] for year in ("2012", "2013", "2017", "2020"))
    assert card.homepage.startswith("https://")
    known = {split: index[split].frames for split in card.frames if split in index}
    assert {split: count for split, count in card.frames.items() if split in index} == known
    assert set(card.frames) - set(index) <= {"kitti_depth_selection/val"}


def test_the_data_sets_have_cards():
    assert cards.card_names() == ("ddad", "kitti_depth", "kitti_odometry", "kitti_raw", "world")
    assert cards.load_card("kitti_odometry").depth is None
    assert cards.load_card("kitti_depth").depth == cards.DepthCard(
        "annotated_png: eleven accumulated scans, outliers removed by stereo", "m / 256, uint16", 0.0
    )
    assert cards.load_card("ddad").frames == {"ddad/train": 12650, "ddad/val": 3950}


def write(tmp_path, **changes):
    content = dataclasses.asdict(cards.load_card("kitti_raw"))
    content = {key: list(value) if isinstance(value, tuple) else value for key, value in content.items()}
    content.update(changes)
    path = tmp_path / "kitti_raw.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in content.items() if value is not ...}))
    return path


def test_every_problem_is_reported_at_once(tmp_path):
    path = write(tmp_path, licence=..., licens="MIT", frames={"kitti_eigen/test": "many"})
    with pytest.raises(DatasetError) as caught:
        cards.read_card(path)
    text = str(caught.value)
    for part in (
        "unknown key licens (did you mean licence?)",
        "missing key licence",
        "frames.kitti_eigen/test is 'many'",
    ):
        assert part in text


def test_empty_entries_and_wrong_names(tmp_path):
    with pytest.raises(DatasetError, match="empty entries: quirks"):
        cards.read_card(write(tmp_path, quirks=[]))
    with pytest.raises(DatasetError, match="called kitti_raw, the data set in it ddad"):
        cards.read_card(write(tmp_path, name="ddad"))
    with pytest.raises(DatasetError, match=r"unknown data set 'dadd' \(did you mean ddad\?\); known: ddad, kitti_depth"):
        cards.load_card("dadd")


def test_description_says_everything():
    text = cards.describe(cards.load_card("kitti_raw"))
    assert "CC BY-NC-SA 3.0" in text
    assert "kitti_eigen/test 697" in text
    assert "velodyne_points/data/<10 digits>.bin" in text
    assert "only the first colon of a line separates" in text
