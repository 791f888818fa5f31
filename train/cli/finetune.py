"""Commands that train on one's own recording: check-bag, from-bag."""

from __future__ import annotations

from pathlib import Path

import click

from train.cli.options import FOUND, topic_options


@click.command("check-bag")
@click.argument("bag", type=FOUND)
@topic_options
def check_bag(bag: Path, asked):
    """Report whether the rosbag2 directory BAG can teach a network, and what to record instead."""
    from train.finetune.check_bag import check_bag as check

    report = check(bag, asked=asked)
    click.echo(report)
    if report.refusals:
        raise SystemExit(1)


@click.command("from-bag")
@click.argument("bag", type=FOUND)
@click.option(
    "--init", type=FOUND, help="Model (.onnx), checkpoint or run to start from [models/mono.onnx]."
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
def from_bag(bag: Path, out: Path, **options):
    """Fine-tune on your own recording, the rosbag2 directory BAG, without labels, and export the
    model.

    A stereo pair teaches metres, one camera relative depth. Ctrl-C exports what there is; the same
    command trains on.
    """
    from train.finetune.from_bag import Options
    from train.finetune.from_bag import from_bag as run

    click.echo(run(bag, out, Options(**options), say=click.echo))
