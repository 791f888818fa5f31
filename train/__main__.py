"""Command line of the training code: python -m train COMMAND."""

from __future__ import annotations

import click

from train.cli.data import assets, render, stream
from train.cli.evaluate import evaluate, evaluate_pose
from train.cli.finetune import check_bag, from_bag
from train.cli.networks import export, fit, pack, quantise, unpack


class _Commands(click.Group):
    """Report errors of ours as sentences for people, not as tracebacks."""

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


for command in (
    render,
    assets,
    stream,
    fit,
    export,
    quantise,
    pack,
    unpack,
    evaluate,
    evaluate_pose,
    check_bag,
    from_bag,
):
    main.add_command(command)


if __name__ == "__main__":
    main()
