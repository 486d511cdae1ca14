"""The folder of a training: who may take it, and a log without what a stopped run has left."""

import json
import subprocess
import sys

import pytest

from baselines.run_folder import Log, RunFolder, claim, describe, read_about, read_log
from benchmark.errors import TrainingError


def take(run: RunFolder, *, resume: bool) -> None:
    with claim(run, resume=resume):
        pass


def test_a_new_folder(tmp_path):
    run = RunFolder(tmp_path / "a" / "b c")
    take(run, resume=False)
    assert run.path.is_dir()
    take(run, resume=False)  # an empty one


@pytest.mark.parametrize("name", ["last", "weights_3", ".last.tmp"])
def test_a_training_is_not_overwritten(tmp_path, name):
    run = RunFolder(tmp_path)
    (tmp_path / "models" / name).mkdir(parents=True)
    run.recipe.write_text("name: a\n")
    how = "move it" if name == ".last.tmp" else "continue it with --resume"
    with pytest.raises(TrainingError, match=f"holds a training already; {how}, or choose another --out"):
        take(run, resume=False)
    assert run.recipe.is_file()


def test_the_newest_checkpoint(tmp_path):
    run = RunFolder(tmp_path)
    assert run.newest is None
    for epoch in (9, 10):
        run.weights(epoch).mkdir(parents=True)
    (tmp_path / "models" / "weights_best").mkdir()  # somebody's copy
    assert run.newest == run.weights(10)
    run.last.mkdir()
    assert run.newest == run.last


def test_other_files_stay(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    (tmp_path / "recipe.yaml").write_text("")
    with pytest.raises(TrainingError, match=r"holds other files \(thesis\.tex\) already"):
        take(RunFolder(tmp_path), resume=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recipe.yaml", "thesis.tex"]


def test_a_training_that_failed_before_its_first_checkpoint_can_begin_anew(tmp_path):
    run = RunFolder(tmp_path)
    run.validation.mkdir()
    (run.validation / "gt.h5").write_text("of another recipe")
    run.recipe.write_text("name: a\n")
    describe(run, {"seed": 1})
    Log(run, upto=0).write(20, 0, {"loss": 1.0})
    (tmp_path / "models").mkdir()
    take(run, resume=False)
    assert list(tmp_path.iterdir()) == []


HOLDER = """
import sys
from pathlib import Path
from baselines.run_folder import RunFolder, claim
with claim(RunFolder(Path(sys.argv[1])), resume=False):
    print("holds", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no flock")
@pytest.mark.parametrize("killed", [False, True])
def test_one_process_at_a_time_trains_in_a_folder(tmp_path, killed):
    run = RunFolder(tmp_path / "run")
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, run.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdin
    assert holder.stdout
    with holder:
        assert holder.stdout.readline() == b"holds\n"
        describe(run, {"seed": 1})
        with pytest.raises(TrainingError, match="another process is training in this folder; wait for its end, stop it"):
            take(run, resume=False)
        assert read_about(run) == {"seed": 1}
        run.last.mkdir(parents=True)
        with pytest.raises(TrainingError, match="another process is training in this folder"):
            take(run, resume=True)
        if killed:
            holder.kill()
        holder.stdin.close()
    assert run.lock.exists() == killed
    with claim(run, resume=True):  # of a dead process: nobody's
        assert run.lock.exists()
    assert not run.lock.exists()


def test_what_cannot_be_continued(tmp_path):
    with pytest.raises(TrainingError, match=r"models/last: no checkpoint to resume from; leave out --resume, or correct --out"):
        take(RunFolder(tmp_path), resume=True)
    with pytest.raises(TrainingError, match="no checkpoint to resume from"):
        take(RunFolder(tmp_path / "nowhere"), resume=True)
    (tmp_path / "file").write_text("")
    for resume in (False, True):
        with pytest.raises(TrainingError, match="is a file; expected a folder for the training"):
            take(RunFolder(tmp_path / "file"), resume=resume)
    with pytest.raises(TrainingError, match="cannot be written"):
        take(RunFolder(tmp_path / "file" / "below"), resume=False)


def test_a_log_keeps_its_numbers_and_drops_what_came_after_the_checkpoint(tmp_path):
    run = RunFolder(tmp_path)
    log = Log(run, upto=0)
    for step in (20, 40, 60):
        log.write(step, step // 30, {"train/loss": 1 / step, "lr": 1e-4})
    assert run.log.read_text().splitlines()[:2] == ["step,epoch,name,value", "20,0,train/loss,0.05"]
    Log(run, upto=40).write(45, 1, {"lr": 1e-5})
    assert read_log(run.log) == {"train/loss": [(20, 1 / 20), (40, 1 / 40)], "lr": [(20, 1e-4), (40, 1e-4), (45, 1e-5)]}


def test_a_torn_last_line_is_dropped(tmp_path):
    run = RunFolder(tmp_path)
    Log(run, upto=0).write(20, 0, {"a": 1.0, "b": 2.0})
    run.log.write_text(run.log.read_text() + "30,0,a")
    Log(run, upto=100)
    assert read_log(run.log) == {"a": [(20, 1.0)], "b": [(20, 2.0)]}


def test_what_a_run_is(tmp_path):
    run = RunFolder(tmp_path)
    assert read_about(run) == {}
    describe(run, {"b": 1, "a": [2]})
    assert json.loads(run.about.read_text()) == read_about(run) == {"a": [2], "b": 1}
    run.about.write_text("{")
    assert read_about(run) == {}
