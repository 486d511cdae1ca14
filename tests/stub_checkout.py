"""A checkout as the authors' would look from outside: a train.py with their options that leaves a checkpoint, written for the
tests. It knows the models to load that theirs knows. Its files hold, of what has changed in the libraries, the one expression
that a fix looks for."""

from pathlib import Path

TRAIN = """
import argparse, json, os, sys
from pathlib import Path

flag = dict(action="store_true")
p = argparse.ArgumentParser()
p.add_argument("--data_path"); p.add_argument("--log_dir"); p.add_argument("--model_name")
p.add_argument("--split", choices=["eigen_zhou", "eigen_full", "odom", "benchmark"])
p.add_argument("--num_layers", type=int, choices=[18, 34, 50, 101, 152])
p.add_argument("--dataset", choices=["kitti", "kitti_odom", "kitti_depth", "kitti_test"])
p.add_argument("--png", **flag); p.add_argument("--height", type=int); p.add_argument("--width", type=int)
p.add_argument("--disparity_smoothness", type=float); p.add_argument("--scales", nargs="+", type=int)
p.add_argument("--min_depth", type=float); p.add_argument("--max_depth", type=float)
p.add_argument("--use_stereo", **flag); p.add_argument("--frame_ids", nargs="+", type=int)
p.add_argument("--batch_size", type=int); p.add_argument("--learning_rate", type=float)
p.add_argument("--num_epochs", type=int); p.add_argument("--scheduler_step_size", type=int)
p.add_argument("--v1_multiscale", **flag); p.add_argument("--avg_reprojection", **flag)
p.add_argument("--disable_automasking", **flag); p.add_argument("--predictive_mask", **flag)
p.add_argument("--no_ssim", **flag); p.add_argument("--weights_init", choices=["pretrained", "scratch"])
p.add_argument("--pose_model_type", choices=["posecnn", "separate_resnet", "shared"], default="separate_resnet")
p.add_argument("--no_cuda", **flag); p.add_argument("--num_workers", type=int)
p.add_argument("--load_weights_folder"); p.add_argument("--models_to_load", nargs="+")
if Path("precompute_depth_hints.py").exists():
    p.add_argument("--use_depth_hints", **flag); p.add_argument("--depth_hint_path")
o = p.parse_args()
models = {"encoder", "depth"}
if o.frame_ids != [0]:
    models |= {"pose_encoder", "pose"} if o.pose_model_type == "separate_resnet" else {"pose"}
models |= {"predictive_mask"} if o.predictive_mask else set()
for name in (o.models_to_load or ()) if o.load_weights_folder else ():
    if name not in models:
        raise KeyError(name)  # Adam's state is no model: it is loaded where it lies beside the weights
here = Path(__file__).resolve().parent
lists = {n: (here / "splits" / o.split / f"{n}_files.txt").read_text().split("\\n")[:-1] for n in ("train", "val")}
found = [Path(d) / n for d, _, names in os.walk(o.data_path, followlinks=True) for n in names]
seen = sorted(str(f.relative_to(o.data_path)) for f in found)
files = {str(f.relative_to(here)): f.read_text() for f in here.rglob("*.py")}
Path(os.environ["STUB_REPORT"]).write_text(json.dumps({"options": vars(o), "lists": lists, "data": seen, "files": files}))
print("Training model named:\\n  ", o.model_name)
models = Path(o.log_dir) / o.model_name / "models"
"""
FINISH = """
for epoch in range(o.num_epochs):
    print(f"epoch {epoch:>3} | batch {0:>6} | examples/s:   5.0 | loss: 0.1 | time elapsed: 00h00m01s | time left: 00h00m01s")
    (models / f"weights_{epoch}").mkdir(parents=True)
    for name in ("encoder", "depth"):
        (models / f"weights_{epoch}" / f"{name}.pth").write_bytes(b"")
"""
CHECKPOINT = """
from baselines.checkpoints import parts_of, save_parts
from baselines.networks import DEPTH_NETWORKS, POSE_NETWORKS
from torch import manual_seed
manual_seed(5)
parts = parts_of(DEPTH_NETWORKS["monodepth2"](layers=o.num_layers), POSE_NETWORKS[o.pose_model_type](layers=o.num_layers))
save_parts(models / "weights_0", parts, height=o.height, width=o.width, use_stereo=o.use_stereo)
"""
FAIL = """
print("Using split:\\n  ", o.split)
raise RuntimeError("CUDA out of memory. Tried to allocate 20 MiB")
"""
HANG = """
import subprocess, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
Path(os.environ["STUB_REPORT"]).write_text(json.dumps([os.getpid(), child.pid]))
print("epoch   0 | batch      0 | begun")
time.sleep(600)
"""
FILES = {
    "options.py": "",
    "layers.py": "",
    "trainer.py": """def a(f, x, y): return f(x, y, padding_mode="border")
def b(f, x, y): return f(x, y, padding_mode='border')
def c(self): return self.val_iter.next()
def d(self, saved): self.model_optimizer.load_state_dict(saved)
""",
    "networks/__init__.py": "",
    "networks/resnet_encoder.py": "def e(models, n): return models.resnet.model_urls['resnet{}'.format(n)]\n",
    "datasets/__init__.py": "",
    "datasets/mono_dataset.py": """def f(transforms, x): return transforms.ColorJitter.get_params(x, x, x, x)
def g(Image): return Image.ANTIALIAS
""",
}


def write_checkout(folder: Path, *, code: str = "monodepth2", train: str = FINISH) -> Path:
    """A checkout of that code whose train.py checks its options and then does `train`."""
    files = {**FILES, "train.py": TRAIN + train, **({"precompute_depth_hints.py": ""} if code == "depth_hints" else {})}
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder
