"""Commands that make a network and write it for the runtime: fit, export, quantise."""

from __future__ import annotations

from pathlib import Path

import click

from train.cli.options import FOUND, PATH, POOLS


@click.command()
@click.option("--config", type=FOUND, help="Recipe, see config/train/.")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change the recipe: --set fit.minutes=5.",
)
@click.option("--init", type=FOUND, help="Run or checkpoint whose weights to start from, by name.")
@click.option(
    "--out", type=PATH, required=True, help="Run folder; an interrupted run there is resumed."
)
def fit(config: Path | None, changes: tuple[str, ...], init: Path | None, out: Path):
    """Fit networks by a recipe; resumes from OUT/checkpoint.pt.

    Several GPUs or machines: torchrun -m train fit.
    """
    from train.export.onnx import average_weights
    from train.fit import fit as run
    from train.recipe import Recipe

    recipe = Recipe.load(config, changes)
    if init:
        weights = average_weights(init)
    else:
        weights = None
    click.echo(run(recipe, out, init=weights))


@click.command()
@click.argument("run", type=FOUND)
@click.argument("model", type=PATH)
@click.option(
    "--network",
    type=click.Choice(["depth", "pose", "stereo", "stereo_coarse"]),
    help=(
        "Which one, where a run has several; stereo_coarse: the coarse stage of a cascade "
        "alone, the fast network."
    ),
)
@click.option(
    "--scale-source", help="Where its metres come from; by default what the recipe implies."
)
@click.option(
    "--trained-on", default="procedural world (depth_ros.core)", help="For the model's spec."
)
@click.option(
    "--calibrate", "pairs", default=0, help="Stereo: fit sigma on so many held-out crops."
)
def export(
    run: Path,
    model: Path,
    network: str | None,
    scale_source: str | None,
    trained_on: str,
    pairs: int,
):
    """Export a network of the run folder RUN to MODEL.onnx; refused where ONNX Runtime does not
    agree with PyTorch.
    """
    from train.export.onnx import Provenance, export_run

    weights = None
    if pairs:
        from train.export.sigma_calibration import calibrated_weights

        weights, (slope, offset) = calibrated_weights(run, pairs)
        click.echo(f"log_sigma: {slope:.2f} times what it was, {offset:+.2f}")
    provenance = Provenance(scale_source, trained_on)
    worst, unit = export_run(run, model, network, provenance, weights=weights)
    click.echo(f"{model}: parity with PyTorch within {worst:.2g} {unit}")


@click.command()
@click.argument("model", type=FOUND)
@click.argument("out", type=PATH)
@click.option(
    "--pool", type=PATH, default=Path(POOLS["pairs"]), help="Of rendered pairs, for the ranges."
)
@click.option("--count", default=32, help="Pairs for the ranges.")
def quantise(model: Path, out: Path, pool: Path, count: int):
    """Write the stereo MODEL to OUT in int8, for ONNX Runtime on CPUs; refused where it differs
    too much.
    """
    from train.export.quantize import quantise as run

    bad_float, bad_int8 = run(model, out, pool, count)
    click.echo(
        f"{out}: {bad_int8:.2f} % off by over 2 px on held-out pairs, float32 {bad_float:.2f} %"
    )


@click.command()
@click.argument("run", type=FOUND)
@click.argument("folder", type=PATH)
def pack(run: Path, folder: Path):
    """Write the state of the run folder RUN to FOLDER as safetensors, to go on elsewhere."""
    from train.checkpoint import pack as write

    for path in write(run, folder):
        click.echo(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


@click.command()
@click.argument("folder", type=FOUND)
@click.argument("run", type=PATH)
def unpack(folder: Path, run: Path):
    """Make the run folder RUN of a packed state FOLDER; `fit --out RUN` goes on from there."""
    from train.checkpoint import unpack as read

    click.echo(read(folder, run))
