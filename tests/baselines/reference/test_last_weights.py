from pathlib import Path

from baselines.reference.last_weights import last_weights


def test_the_last_epoch_is_taken_by_its_number(tmp_path: Path):
    for name in ("weights_2", "weights_10", "weights_9", "weights_x"):
        (tmp_path / "reference" / "models" / name).mkdir(parents=True)
    found = last_weights(tmp_path)
    assert found is not None
    assert found.name == "weights_10"
    assert last_weights(tmp_path / "reference") is None
