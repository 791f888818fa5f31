"""What the commands of depth-ros share: options, and how errors are said. Loads click only."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import click

BACKENDS = (
    "auto",
    "onnxruntime",
    "tensorrt",
    "sgbm",
)  # as engine.load; repeated so that --help loads nothing (tested)


def report_errors(command):
    """Turn every error of ours into one line and exit code 2, and Ctrl-C into 130: never a
    traceback.
    """

    @functools.wraps(command)
    def wrapper(*args, **kwargs):
        from depth_ros.core.errors import DepthRosError

        try:
            return command(*args, **kwargs)
        except DepthRosError as error:
            fail(" ".join(str(error).split()), 2)
        except KeyboardInterrupt:
            fail("interrupted", 130)
        except (
            click.ClickException,
            click.exceptions.Exit,
            click.Abort,
            BrokenPipeError,
        ):  # click ends quietly
            raise
        except MemoryError:
            fail("out of memory", 2)
        except ModuleNotFoundError as error:
            fail(absent(error), 2)
        except Exception as error:  # a fault of ours: still one line, and how to see more
            import os

            if os.environ.get("DEPTH_ROS_DEBUG"):
                raise
            fail(
                f"unexpected {type(error).__name__}: {' '.join(str(error).split())} "
                "(DEPTH_ROS_DEBUG=1 shows where)",
                2,
            )

    return wrapper


def expect_writable(folder: Path) -> None:
    """Raise InputError where a folder cannot be made or written: ahead of minutes of work, and
    without making it.
    """
    import os

    from depth_ros.core.errors import InputError

    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise InputError(f"{folder}: expected a folder to write to, got the file {there}")
    if not os.access(there, os.W_OK | os.X_OK) or there.is_relative_to("/proc"):
        raise InputError(
            f"{folder}: expected a folder that can be written, got no permission in {there}"
        )


def absent(error: ModuleNotFoundError) -> str:
    """Say which package is missing, and where it comes from."""
    name = (error.name or str(error)).split(".")[0]
    ros = name == "rclpy" or name.endswith(("_msgs", "_srvs", "_interfaces"))
    cure = "source /opt/ros/.../setup.bash" if ros else f"pip install {name.replace('_', '-')}"
    return f"expected the Python package {name} ({cure}), got none"


def fail(words: str, code: int) -> None:
    """Say one line on stderr and leave."""
    click.echo(f"depth-ros: error: {words}", err=True)
    sys.exit(code)


input_argument = click.argument("input", type=click.Path(path_type=Path))
model_option = click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="An ONNX model with its spec; default: the shipped one.",
)
backend_option = click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    default="auto",
    show_default=True,
    help="auto: model, else sgbm.",
)
mode_option = click.option(
    "--mode",
    type=click.Choice(["auto", "stereo", "mono"]),
    default="auto",
    show_default=True,
    help="auto: what --model is for, else mono where the input has one camera only.",
)
range_option = click.option(
    "--max-disparity-px",
    type=click.IntRange(16, 1024),
    default=128,
    show_default=True,
    help="Range to search, where the input does not say (ndisp in calib.txt).",
)
tolerance_option = click.option(
    "--sync-tolerance-s",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Seconds by which the stamps of a pair may differ.",
)
