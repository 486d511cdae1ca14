"""The verb about predictions of our own: `depthbench predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from benchmark.cli_values import image_size

OF_NETWORKS = ("size", "flipped", "device", "poses")


@click.command("predict")
@click.argument("method", metavar="METHOD|CHECKPOINT")
@click.option("--split", metavar="SPLIT", help="The frames: a split, or a file with a list.")
@click.option("--images", type=click.Path(path_type=Path), help="A checkpoint alone: an image or a folder instead of a split.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="The .npy (order of the split) or .h5 (with ids); poses: a .txt, or a folder; --images: a folder.",
)
@click.option("--data", type=click.Path(path_type=Path), help="For what reads images: data folder; default: $DEPTHBENCH_DATA.")
@click.option("--size", type=image_size, metavar="HxW", help="Of the maps; default 192x640, a network's own.")
@click.option("--flipped", type=click.Path(path_type=Path), help="A network: also write those of the mirrored images there.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), help="A network: where it runs; default auto.")
@click.option("--poses", is_flag=True, default=None, help="A network: camera motions of KITTI odometry instead of depth.")
@click.option("--depth", type=float, help="constant: metres; default 10.")
@click.option("--clip", type=float, help="ground_plane: largest depth in metres, also above the horizon; default 80.")
@click.option("--train-gt", type=click.Path(path_type=Path), help="median_map: exported ground truth of a training split.")
@click.option("--gt", type=click.Path(path_type=Path), help="noisy_truth: ground truth of the split, as for evaluate.")
@click.option("--sigma", type=float, help="noisy_truth: standard deviation of the logarithm; default 0.1.")
@click.option("--seed", type=click.IntRange(0), help="noisy_truth: of the noise; default 0.")
@click.option("--jobs", type=click.IntRange(1, 1024), help="Threads of a method without learning; default: one for each core.")
def predict(
    *, method: str, split: str | None, images: Path | None, out: Path, data: Path | None, **options: Any
) -> None:  # fmt: skip
    """Write what METHOD predicts for a split: maps with a manifest that `evaluate` reads, or poses for `evaluate_pose`.

    \b
    constant      the same depth everywhere
    ground_plane  a level road under the calibrated camera
    median_map    per-pixel median of a training split, the prior worth beating
    sgm           OpenCV's semi-global matching of the stereo pair
    noisy_truth   the ground truth with smooth log-normal noise
    stereo_vo     poses, not depth: visual odometry from the stereo pairs of KITTI odometry
    FOLDER        a trained network: a run of `retrain`, one of its checkpoints, or a published one;
                  with --poses, or --out in .txt, camera motions on KITTI odometry: a .txt accumulates
                  them, a .npy holds the relative 4x4 of Monodepth2, both in units of the network
    """
    given = {name: value for name, value in options.items() if value is not None}
    if Path(method).is_dir():
        _by_network(Path(method), out, split=split, images=images, data=data, given=given)
        return
    if images is not None or split is None:
        raise click.UsageError(f"{method} takes --split" + (", and a network alone --images" if images is not None else ""))
    if method == "stereo_vo":
        from baselines.predict_poses import predict_poses

        if given:
            raise click.UsageError(f"stereo_vo takes --split, --data and --out, not {', '.join(given)}")
        click.echo(predict_poses(split, data, out).text(), err=True)
        return
    wrong = [f"--{name}" for name in ("flipped", "device", "poses") if name in given]
    if wrong:
        raise click.UsageError(f"{' and '.join(wrong)} are about a trained network; {method} is none")
    from baselines.predict import predict

    made = predict(method, split, data, out, **given)
    click.echo(made.text(), err=True)


def _by_network(
    folder: Path, out: Path, *, split: str | None, images: Path | None, data: Path | None, given: dict[str, Any]
) -> None:  # fmt: skip
    """Predict by a checkpoint."""
    wrong = [f"--{name.replace('_', '-')}" for name in given if name not in OF_NETWORKS]
    if wrong or (split is None) == (images is None):
        problem = f"not {', '.join(wrong)}" if wrong else "one of --split and --images"
        raise click.UsageError(
            f"a network takes --split or --images, --out, --data, --size, --flipped, --device and --poses: {problem}"
        )
    from baselines.training_extra import require_training

    require_training("a trained network", ("torch",))
    from baselines import predict_network

    if given.pop("poses", False) or (out.suffix == ".txt" and images is None):
        from baselines.predict_network_poses import predict_network_poses

        if images is not None or "flipped" in given:
            raise click.UsageError("--poses goes with --split, not with --images or --flipped")
        made = predict_network_poses(folder, str(split), data, out, **given)
    elif images is not None:
        if "flipped" in given:
            raise click.UsageError("--flipped goes with --split")
        made = predict_network.predict_images(folder, images, out, **given)
    else:
        made = predict_network.predict_split(folder, str(split), data, out, **given)
    click.echo(made.text(), err=True)
