import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from kitti_tree import DATE, DRIVE, write_list
from stub_checkout import CHECKPOINT, FAIL, FINISH, HANG, write_checkout
from training_tree import NUMBERS, image_file, pixels, write_image, write_raw

from baselines.recipe import Recipe, load_recipe
from baselines.reference.run import named_checkout, run_reference
from benchmark.errors import DatasetError, OptionError, TrainingError

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    write_raw(folder / "kitti_raw")
    write_list(folder / "list.txt", list(NUMBERS))
    monkeypatch.setenv("STUB_REPORT", str(tmp_path / "report.json"))
    return folder


def own_recipe(data: Path, name: str = "monodepth2_m", **schedule) -> Recipe:
    recipe = load_recipe(name)
    return dataclasses.replace(
        recipe,
        data=dataclasses.replace(recipe.data, split=str(data / "list.txt"), neighbours="available"),
        schedule=dataclasses.replace(recipe.schedule, **{"batch": 2, "length": 2, "drops": (), **schedule}),
    )


def start(recipe: Recipe, data: Path, code: str = "monodepth2", *, train: str = FINISH, **options) -> tuple[Path, dict]:
    """The checkpoint folder, and what the stub has seen."""
    checkout = data.parent / "checkout"
    if not checkout.exists():
        write_checkout(checkout, code=code, train=train)
    folder = run_reference(recipe, code, checkout, data=data, out=data.parent / "run", cpu=True, **options)
    return folder, json.loads((data.parent / "report.json").read_text())


def test_options_lists_and_images_that_the_code_gets(data):
    write_image(data / "kitti_raw" / DATE / DRIVE / "image_00" / "data" / "0000000000.png", pixels(0, "image_02"))
    folder, seen = start(own_recipe(data), data)
    assert folder == data.parent / "run" / "reference" / "models" / "weights_1"
    options = seen["options"]
    assert [options[name] for name in ("height", "width", "frame_ids", "batch_size")] == [192, 640, [0, -1, 1], 2]
    assert (options["dataset"], options["split"], options["png"], options["no_cuda"]) == ("kitti", "eigen_zhou", True, True)
    # Frames 0, 4, 6 and 8 lack a neighbour.
    assert seen["lists"]["train"] == [f"{DATE}/{DRIVE} {number} l" for number in (1, 2, 3, 7)]
    assert seen["lists"]["val"] == seen["lists"]["train"]
    # Only cameras that the recipe needs, no calibration and no scans.
    assert seen["data"] == [f"{DATE}/{DRIVE}/image_02/data/{number:010d}.png" for number in NUMBERS]
    assert not Path(options["data_path"]).parent.exists()


def test_stereo_needs_both_cameras_and_jpeg_is_the_codes_default(data):
    for number in NUMBERS:
        for camera in ("image_02", "image_03"):
            image_file(data / "kitti_raw", number, camera).unlink()
            write_image(image_file(data / "kitti_raw", number, camera, ".jpg"), pixels(number, camera))
    _, seen = start(own_recipe(data, "monodepth2_s"), data)
    assert seen["options"]["use_stereo"]
    assert seen["options"]["frame_ids"] == [0]
    assert not seen["options"]["png"]
    assert len(seen["lists"]["train"]) == len(NUMBERS)
    assert {name.split("/")[2] for name in seen["data"]} == {"image_02", "image_03"}


@pytest.mark.parametrize(("name", "models"), [
    ("monodepth2_m_1024x320", ["encoder", "depth", "pose_encoder", "pose"]), ("monodepth2_s_1024x320", ["encoder", "depth"]),
])  # fmt: skip
def test_a_start_from_another_run(data, name, models):
    weights = data.parent / "weights_9"
    weights.mkdir()
    (weights / "adam.pth").touch()
    _, seen = start(own_recipe(data, name), data, start=weights)
    assert (seen["options"]["load_weights_folder"], seen["options"]["models_to_load"]) == (str(weights), models)


def test_sequences_of_the_odometry_benchmark(data):
    root = data / "kitti_odometry"
    for number in range(4):
        write_image(root / "sequences" / "09" / "image_2" / f"{number:06d}.png", pixels(number, "image_02"))
    (data / "list.txt").write_text("".join(f"09/image_2/{number:06d}\n" for number in range(4)))
    _, seen = start(own_recipe(data, "monodepth2_m_odom"), data)
    assert (seen["options"]["dataset"], seen["options"]["split"]) == ("kitti_odom", "odom")
    assert seen["lists"]["train"] == ["9 1 l", "9 2 l"]
    assert seen["data"] == [f"sequences/09/image_2/{number:06d}.png" for number in range(4)]


def test_a_mixture_of_png_and_jpeg_is_refused(data):
    image_file(data / "kitti_raw", 2).unlink()
    write_image(image_file(data / "kitti_raw", 2, suffix=".jpg"), pixels(2, "image_02"))
    with pytest.raises(TrainingError, match=r"partly PNG and partly JPEG.*datasets jpg"):
        start(own_recipe(data), data)


def test_a_list_for_validation_is_as_long_as_a_batch(data):
    recipe = own_recipe(data, batch=3)
    write_list(data / "val.txt", [2])
    look = dataclasses.replace(load_recipe("world_s").validate, split=str(data / "val.txt"))
    _, seen = start(dataclasses.replace(recipe, validate=look), data)
    assert seen["lists"]["val"] == [f"{DATE}/{DRIVE} 2 l"] * 3


def test_a_list_that_is_less_than_a_batch(data):
    with pytest.raises(TrainingError, match="4 samples are less than a batch of 5"):
        start(own_recipe(data, batch=5), data)


def test_depth_hints_of_every_target(data):
    recipe = own_recipe(data, "depth_hints_ms")
    hints = data.parent / "hints"
    with pytest.raises(TrainingError, match=r"4 of the 4 targets have no depth hint.*0000000001\.npy.*depthbench hints"):
        start(recipe, data, "depth_hints", hints=hints)
    for number in (1, 2, 3, 7):
        path = hints / DATE / DRIVE / "image_02" / f"{number:010d}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.ones((1, 4, 4), np.float32))
    _, seen = start(recipe, data, "depth_hints", hints=hints)
    assert seen["options"]["use_depth_hints"]
    assert seen["options"]["depth_hint_path"] == str(hints)


def test_the_checkout_stays_as_it_is_and_the_copy_is_mended(data, capsys):
    _, seen = start(own_recipe(data), data)
    mended = seen["files"]
    assert mended["trainer.py"].count('padding_mode="border", align_corners=True)') == 2
    assert "next(self.val_iter)" in mended["trainer.py"]
    assert "models.get_model_weights('resnet{}'.format(n)).IMAGENET1K_V1.url" in mended["networks/resnet_encoder.py"]
    assert '__import__("depthbench_jitter").shared(transforms, x, x, x, x)' in mended["datasets/mono_dataset.py"]
    assert "Image.LANCZOS" in mended["datasets/mono_dataset.py"]
    assert "depthbench_jitter.py" in mended
    checkout = data.parent / "checkout"
    assert "align_corners" not in (checkout / "trainer.py").read_text()
    assert not (checkout / "splits").exists()
    record = yaml.safe_load((data.parent / "run" / "reference.yaml").read_text())
    assert (record["recipe"], record["checkout"]) == ("monodepth2_m", str(checkout))
    assert [fix.split(":")[0] for fix in record["fixes"]] == [
        "align_corners", "learning_rate", "next", "shared_jitter", "lanczos", "imagenet_url"
    ]  # fmt: skip
    assert "align_corners: trainer.py, 2 places" in record["fixes"][0]
    told = capsys.readouterr().err
    assert "reference: fixed in a copy: lanczos: datasets/mono_dataset.py, 1 place;" in told
    assert "reference: epoch   1 | batch      0 |" in told
    assert "Training model named" not in told
    assert "Training model named" in (data.parent / "run" / "reference.log").read_text()


def test_the_checkpoint_loads_in_our_networks(data, monkeypatch):
    torch = pytest.importorskip("torch", reason="needs depthbench[train]")
    from baselines.checkpoints import load_parts, parts_of
    from baselines.networks import DEPTH_NETWORKS, POSE_NETWORKS

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    folder, _ = start(own_recipe(data, length=1), data, train=CHECKPOINT)
    parts = parts_of(DEPTH_NETWORKS["monodepth2"](layers=18), POSE_NETWORKS["separate_resnet"](layers=18))
    loaded = load_parts(folder, parts)
    assert (loaded.height, loaded.width, loaded.use_stereo) == (192, 640, False)
    torch.manual_seed(5)
    same = DEPTH_NETWORKS["monodepth2"](layers=18)
    assert torch.equal(parts["encoder"].state_dict()["encoder.conv1.weight"], same.state_dict()["encoder.encoder.conv1.weight"])


def test_what_could_not_be_mended_is_told(data, capsys):
    checkout = write_checkout(data.parent / "checkout")
    (checkout / "trainer.py").write_text("")
    start(own_recipe(data), data)
    told = capsys.readouterr().err
    assert "reference: NOT FIXED: align_corners: trainer.py, not found, left as it is;" in told
    assert "reference: fixed in a copy: lanczos" in told


def test_the_run_is_a_checkpoint_for_predict(data, monkeypatch):
    pytest.importorskip("torch", reason="needs depthbench[train]")
    from baselines.predict_network import open_network

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    start(own_recipe(data, length=1), data, train=CHECKPOINT)
    network = open_network(data.parent / "run", device="cpu")
    assert (network.size, network.name) == ((192, 640), "run")


def test_a_failure_tells_the_last_lines(data):
    with pytest.raises(TrainingError) as caught:
        start(own_recipe(data), data, train=FAIL)
    message = str(caught.value)
    assert "ended with exit code 1" in message
    assert "Using split: | eigen_zhou | " in message
    assert "RuntimeError: CUDA out of memory. Tried to allocate 20 MiB. All it said is in" in message
    assert "\n" not in message
    assert "CUDA out of memory" in (data.parent / "run" / "reference.log").read_text()


def test_an_end_without_a_checkpoint(data):
    with pytest.raises(TrainingError, match="has ended without a checkpoint"):
        start(own_recipe(data), data, train="")


def test_a_second_run_does_not_overwrite_the_first(data):
    start(own_recipe(data), data)
    with pytest.raises(TrainingError, match="another run of the authors' code is there"):
        start(own_recipe(data), data)


def test_what_is_no_checkout(data, tmp_path):
    with pytest.raises(TrainingError, match=r"it lacks train\.py, trainer\.py, options\.py"):
        run_reference(own_recipe(data), "monodepth2", tmp_path, data=data, out=tmp_path / "run")
    other = write_checkout(tmp_path / "other", code="depth_hints")
    with pytest.raises(TrainingError, match=r"it has precompute_depth_hints\.py, so it is another method's"):
        run_reference(own_recipe(data), "monodepth2", other, data=data, out=tmp_path / "run")
    with pytest.raises(OptionError, match="known: monodepth2, depth_hints"):
        run_reference(own_recipe(data), "packnet", other, data=data, out=tmp_path / "run")


def test_how_a_checkout_is_named():
    assert named_checkout("depth_hints=../code=2") == ("depth_hints", Path("../code=2"))
    for text in ("monodepth2", "monodepth2=", "../code"):
        with pytest.raises(OptionError, match="expected monodepth2=FOLDER or depth_hints=FOLDER"):
            named_checkout(text)


def test_what_is_no_interpreter(data):
    with pytest.raises(OptionError, match="no such interpreter"):
        start(own_recipe(data), data, python="no-python-at-all")
    for python in ("false", "ls"):
        with pytest.raises(OptionError, match=r"does not run as a Python interpreter \(exit code \d\); pass another one$"):
            start(own_recipe(data), data, python=python)


def test_missing_images_are_named_before_anything_is_written(data):
    write_list(data / "list.txt", [1, 2, 30, 31])
    with pytest.raises(DatasetError, match="2 of the 4 frames of list have no image"):
        start(own_recipe(data), data)
    assert not (data.parent / "run").exists()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_interrupt_ends_the_code_and_its_loaders(data, name):
    checkout = write_checkout(data.parent / "checkout", train=HANG)
    report = Path(os.environ["STUB_REPORT"])
    temporary = data.parent / "temporary"
    temporary.mkdir()
    script = f"""
import dataclasses, signal, tempfile
from pathlib import Path
from baselines.recipe import load_recipe
from baselines.reference.run import run_reference
signal.signal(signal.SIGINT, signal.default_int_handler)
tempfile.tempdir = {str(temporary)!r}
before = signal.getsignal(signal.SIGTERM)
r = load_recipe("monodepth2_m")
r = dataclasses.replace(r, data=dataclasses.replace(r.data, split={str(data / "list.txt")!r}, neighbours="available"),
                        schedule=dataclasses.replace(r.schedule, batch=2))
try:
    run_reference(r, "monodepth2", Path({str(checkout)!r}), data=Path({str(data)!r}), out=Path({str(data.parent / "run")!r}))
except KeyboardInterrupt:
    print("interrupted", signal.getsignal(signal.SIGTERM) == before)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        assert any("begun" in line for line in process.stderr)
        assert len(list(temporary.iterdir())) == 1
        process.send_signal(signal.Signals[name])
        out, _ = process.communicate(timeout=60)
    assert out == "interrupted True\n"
    assert list(temporary.iterdir()) == []
    pids = json.loads(report.read_text())
    deadline = time.monotonic() + 10
    while any(_runs(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_runs(pid) for pid in pids)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
