"""Commands that judge networks on a recording: evaluate, evaluate-pose."""

from __future__ import annotations

import click

from train.cli.options import FOUND


def _judging(command):
    """Add the options of commands that judge models on a recording."""
    for option in (
        click.option("--most", default=0, help="Views or pairs to judge, evenly spread; 0: all."),
        click.option("--part", type=click.Choice(["train", "val", "test"]), default="test"),
        click.option("--split", default="", help="Of the data set."),
        click.option("--path", type=FOUND, required=True, help="The recording."),
        click.option("--reader", default="clips", help="See train.data.READERS."),
        click.argument("models", type=FOUND, nargs=-1),
    ):
        command = option(command)
    return command


@click.command()
@_judging
@click.option(
    "--align",
    "alignments",
    multiple=True,
    help="none, median or scale-shift [none, if metric, and median].",
)
@click.option("--cap-m", default=80.0, help="Ground truth beyond it does not count.")
@click.option("--crop", type=click.Choice(["", "garg"]), default="", help="garg: for KITTI.")
@click.option("--flip", is_flag=True, help="Average with the mirrored picture's answer.")
def evaluate(models, reader, path, split, part, most, alignments, **judging):
    """Judge depth of run folders and ONNX MODELS, beside the mean depth of the part train, as a
    Markdown table.
    """
    from train.data import read
    from train.evaluate.compare import Judging, compare_depth

    frames = read(reader, path, split, part)
    training = read(reader, path, split, "train")
    table = compare_depth(list(models), frames, training, Judging(alignments, most=most, **judging))
    click.echo(table)


@click.command("evaluate-pose")
@_judging
def evaluate_pose(models, reader, path, split, part, most):
    """Judge motion of run folders and ONNX MODELS between neighbours, beside zero and constant
    motion.
    """
    from train.data import read
    from train.evaluate.compare import compare_pose

    frames = read(reader, path, split, part)
    training = read(reader, path, split, "train")
    click.echo(compare_pose(list(models), frames, training, most))
