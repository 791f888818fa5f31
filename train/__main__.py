"""Command line of the training code: python -m train COMMAND."""

from __future__ import annotations

from pathlib import Path

import click

from depth_ros.cli.input import topic_options

_PATH = click.Path(path_type=Path)
_FOUND = click.Path(path_type=Path, exists=True)


class _Commands(click.Group):
    """Errors of ours are sentences for people, not tracebacks."""

    def invoke(self, ctx):
        from depth_ros.core.errors import DepthRosError

        try:
            return super().invoke(ctx)
        except DepthRosError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:  # a full disk, a folder that cannot be written
            place = error.filename or "a file"
            raise click.ClickException(
                f"{place}: expected to read or write it, got: {error.strerror}"
            ) from error


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "show_default": True}
)
def main():
    """Train the networks of depth_ros: render data, fit, look, export; or fine-tune on your own
    recording.
    """


_SHAPES = [
    (208, 288),
    (176, 352),
    (144, 416),
    (240, 256),
]  # height and width of pictures, px: cameras of many kinds
_POOLS = {"pairs": "runs/pool", "video": "runs/clips", "pictures": "runs/clips_mono"}


@main.command()
@click.argument("kind", type=click.Choice(list(_POOLS)))
@click.option(
    "--pool", type=_PATH, help="Folder; by default the one of the recipes in config/train/."
)
@click.option("--count", default=2000, help="How many the pool shall hold.")
@click.option("--jobs", default=1, help="Processes.")
def render(kind: str, pool: Path | None, count: int, jobs: int):
    """Render a procedural pool on disk (resumes where it stopped).

    pairs: stereo pairs of random shapes, for the stereo network. video: stereo clips of four frames
    in streets and rooms, for depth and motion. pictures: single frames in streets and rooms, for
    supervised depth.
    """
    from train.data.datasets.clips import fill_clips
    from train.data.pool import fill_pool

    folder = pool or Path(_POOLS[kind])
    if kind == "pairs":
        fill_pool(folder, count, jobs=jobs)
    elif kind == "video":
        fill_clips(folder, count, 4, [(128, 224)], "mix", jobs, stereo=True)
    else:
        fill_clips(folder, count, 1, _SHAPES, "mix", jobs, stereo=False)


@main.command()
@click.argument("source")
@click.argument("folder", type=_FOUND)
@click.option("--out", type=_PATH, default=Path("runs/assets"), help="Folder of assets.")
def assets(source: str, folder: Path, out: Path):
    """Convert free 3D models that you have in FOLDER for the rasterised world; checks version and
    hashes.

    SOURCE: sweethome, small-house, bookstore, small-warehouse or gazebo-models; see
    train/assets/sources.py for where each comes from, and under which licence.
    """
    from depth_ros.core.errors import InputError
    from train.assets.sources import SOURCES
    from train.assets.store import convert

    if source not in SOURCES:
        raise InputError(f"expected a source out of {sorted(SOURCES)}, got {source!r}")
    count = convert(SOURCES[source], folder, out, click.echo)
    click.echo(f"{out}: {count} models of {source}; credits in {out / 'CREDITS.md'}")


@main.command()
@click.option(
    "--out", type=_PATH, default=Path("runs/crops"), help="Folder of crops, the recipe's data.path."
)
@click.option("--pool", type=_FOUND, help="Of rendered pairs, instead of the rasterised world.")
@click.option("--keep", default=1500, help="Crops in the folder; the oldest go.")
@click.option("--share", default=0.3, help="Of one CPU core to take.")
@click.option("--seed", default=0, help="Of the world.")
@click.option("--count", default=0, help="Crops to make, then stop; 0: never.")
def stream(out: Path, pool: Path | None, keep: int, share: float, seed: int, count: int):
    """Keep a folder of stereo crops filled while a training uses them; Ctrl-C ends it.

    The recipe wants held-out crops beside it: --out runs/crops_held_out --seed 1000003 --count 32.
    """
    from train.data import stereo_stream

    pairs = stereo_stream.pool_pairs(pool, seed) if pool else stereo_stream.raster_pairs(seed)
    stereo_stream.produce(pairs, out, stereo_stream.Stream(keep=keep, share=share), seed, count)


@main.command()
@click.option("--config", type=_FOUND, help="Recipe, see config/train/.")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change the recipe: --set fit.minutes=5.",
)
@click.option("--init", type=_FOUND, help="Run or checkpoint whose weights to start from, by name.")
@click.option(
    "--out", type=_PATH, required=True, help="Run folder; an interrupted run there is resumed."
)
def fit(config: Path | None, changes: tuple[str, ...], init: Path | None, out: Path):
    """Fit networks by a recipe; resumes from OUT/checkpoint.pt.

    Several GPUs or machines: torchrun -m train fit.
    """
    from train.export.onnx import average_weights
    from train.fit import fit as run
    from train.recipe import Recipe

    click.echo(run(Recipe.load(config, changes), out, init=average_weights(init) if init else None))


@main.command()
@click.argument("run", type=_FOUND)
@click.argument("model", type=_PATH)
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
    from train.export.onnx import export_run

    weights = None
    if pairs:
        from train.export.sigma_calibration import calibrated_weights

        weights, (slope, offset) = calibrated_weights(run, pairs)
        click.echo(f"log_sigma: {slope:.2f} times what it was, {offset:+.2f}")
    worst, unit = export_run(run, model, network, scale_source, trained_on, weights=weights)
    click.echo(f"{model}: parity with PyTorch within {worst:.2g} {unit}")


@main.command()
@click.argument("model", type=_FOUND)
@click.argument("out", type=_PATH)
@click.option(
    "--pool", type=_PATH, default=Path(_POOLS["pairs"]), help="Of rendered pairs, for the ranges."
)
@click.option("--count", default=32, help="Pairs for the ranges.")
def quantise(model: Path, out: Path, pool: Path, count: int):
    """Write the stereo MODEL to OUT in int8, for ONNX Runtime on CPUs; refused where it differs
    too much.
    """
    from train.export.quantize import quantise as run

    whole, less = run(model, out, pool, count)
    click.echo(f"{out}: {less:.2f} % off by over 2 px on held-out pairs, float32 {whole:.2f} %")


def _judging(command):
    """The options of commands that judge models on a recording."""
    for option in (
        click.option("--most", default=0, help="Views or pairs to judge, evenly spread; 0: all."),
        click.option("--part", type=click.Choice(["train", "val", "test"]), default="test"),
        click.option("--split", default="", help="Of the data set."),
        click.option("--path", type=_FOUND, required=True, help="The recording."),
        click.option("--reader", default="clips", help="See train.data.READERS."),
        click.argument("models", type=_FOUND, nargs=-1),
    ):
        command = option(command)
    return command


@main.command()
@_judging
@click.option(
    "--align",
    "alignments",
    multiple=True,
    help="none, median or scale-shift [none, if metric, and median].",
)
@click.option("--cap-m", default=80.0, help="Truth beyond it does not count.")
@click.option("--crop", type=click.Choice(["", "garg"]), default="", help="garg: for KITTI.")
@click.option("--flip", is_flag=True, help="Average with the mirrored picture's answer.")
def evaluate(models, reader, path, split, part, most, alignments, cap_m, crop, flip):
    """Judge depth of run folders and ONNX MODELS, beside the mean depth of the part train, as a
    Markdown table.
    """
    from train.data import read
    from train.evaluate.compare import compare_depth

    frames, training = (read(reader, path, split, name) for name in (part, "train"))
    click.echo(compare_depth(list(models), frames, training, alignments, cap_m, crop, flip, most))


@main.command("evaluate-pose")
@_judging
def evaluate_pose(models, reader, path, split, part, most):
    """Judge motion of run folders and ONNX MODELS between neighbours, beside zero and constant
    motion.
    """
    from train.data import read
    from train.evaluate.compare import compare_pose

    frames, training = (read(reader, path, split, name) for name in (part, "train"))
    click.echo(compare_pose(list(models), frames, training, most))


@main.command("check-bag")
@click.argument("bag", type=_FOUND)
@topic_options
def check_bag(bag: Path, asked):
    """Tell whether the rosbag2 directory BAG can teach a network, and what to record instead."""
    from train.finetune.check_bag import check_bag as check

    report = check(bag, asked=asked)
    click.echo(report)
    if report.refusals:
        raise SystemExit(1)


@main.command("from-bag")
@click.argument("bag", type=_FOUND)
@click.option(
    "--init", type=_FOUND, help="Model (.onnx), checkpoint or run to start from [models/mono.onnx]."
)
@click.option("--minutes", default=10.0, help="Budget; call again with more to train on.")
@click.option("--threads", default=0, help="Of the CPU; 0: all but one.")
@click.option(
    "--keep", default=0.5, help="Share of the starting model in the result; 0: this place only."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="MODEL.onnx to write.",
)
@topic_options
def from_bag(
    bag: Path, init: Path | None, minutes: float, threads: int, keep: float, out: Path, asked
):
    """Fine-tune on your own recording, the rosbag2 directory BAG, without labels, and export the
    model.

    A stereo pair teaches metres, one camera relative depth. Ctrl-C exports what there is; the same
    command trains on.
    """
    from train.finetune.from_bag import from_bag as run

    click.echo(run(bag, out, init, minutes, threads, keep=keep, say=click.echo, asked=asked))


if __name__ == "__main__":
    main()
