"""The curves of several trainings in one picture: the loss, and abs_rel of the validation frames."""

from pathlib import Path

from baselines.run_folder import read_log

SMOOTH = 25  # logged losses that a point of the curve is the mean of

TICKS = (0.03, 0.05, 0.1, 0.2, 0.5)  # of the loss, which has a logarithmic axis


def draw(logs: dict[str, Path], prior: float, out: Path) -> None:
    """Write a PNG of 1,200 x 450 pixels; `prior` is the median map's abs_rel on the same frames."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.5), dpi=100, layout="constrained")
    colours = {recipe: f"C{i}" for i, recipe in enumerate(dict.fromkeys(name.partition("_seed")[0] for name in logs))}
    for name, path in logs.items():
        recipe, _, seed = name.partition("_seed")
        style = {"color": colours[recipe], "alpha": 0.45 if seed else 1.0, "linewidth": 1.0 if seed else 1.8}
        label = None if seed else recipe
        log = read_log(path)
        losses = log["train/loss"]
        means = [
            (losses[i][0], sum(v for _, v in losses[i - SMOOTH + 1 : i + 1]) / SMOOTH) for i in range(SMOOTH - 1, len(losses))
        ]
        left.plot(*zip(*means, strict=True), label=label, **style)
        right.plot(*zip(*log["val/median/abs_rel"], strict=True), label=label, marker=".", **style)
    right.axhline(prior, color="0.4", linestyle="--", linewidth=1)
    right.annotate("per-pixel median of the training drives", (0.98, prior), xycoords=("axes fraction", "data"), ha="right",
                   va="bottom", fontsize=9, color="0.3")  # fmt: skip
    left.set(xlabel="steps of 4 images", ylabel="loss, mean of 500 steps", title="Training loss", yscale="log")
    left.yaxis.set_minor_formatter("")
    left.set_yticks(TICKS, [f"{tick:g}" for tick in TICKS])
    right.set(xlabel="steps of 4 images", ylabel="abs_rel, median-scaled", title="Six validation drives", ylim=(0, 1.1 * prior))
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    right.legend(frameon=False, fontsize=9)
    figure.savefig(out)
    plt.close(figure)
