"""What the commands of depth-ros share: options, and how errors are said. Loads click only."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import click

# As engine.options; repeated so that --help loads nothing (tested).
BACKENDS = ("auto", "onnxruntime", "tensorrt", "sgbm")
PRECISIONS = ("fp16", "fp32", "int8")
CUDA_BINDINGS = ("auto", "cuda-bindings", "pycuda")
_ENGINE_NAMES = ("backend", "precision", "workspace_mib", "engine", "providers", "cuda_binding")


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
    """Name which package is missing, and where it comes from."""
    name = (error.name or str(error)).split(".")[0]
    ros = name == "rclpy" or name.endswith(("_msgs", "_srvs", "_interfaces"))
    if ros:
        cure = "source /opt/ros/.../setup.bash"
    else:
        cure = f"pip install {name.replace('_', '-')}"
    return f"expected the Python package {name} ({cure}), got none"


def fail(words: str, code: int) -> None:
    """Print one line on stderr and exit."""
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
_engine_options = (
    backend_option,
    click.option(
        "--precision",
        type=click.Choice(PRECISIONS),
        default="fp16",
        show_default=True,
        help="Of TensorRT; int8 must have been built ahead.",
    ),
    click.option(
        "--workspace-mib",
        type=click.IntRange(0),
        default=0,
        help="Most scratch memory for TensorRT; 0: any engine that is built.",
    ),
    click.option(
        "--engine",
        type=click.Path(),
        default="",
        help="A TensorRT engine's file; default: the cache's.",
    ),
    click.option(
        "--providers",
        default="",
        help="Of ONNX Runtime, best first: cuda,openvino,...; default: the CPU.",
    ),
    click.option(
        "--cuda-binding",
        type=click.Choice(CUDA_BINDINGS),
        default="auto",
        show_default=True,
        help="Package that calls the GPU's driver.",
    ),
)


def engine_options(command):
    """Add every option of how an engine is to be had."""
    for option in reversed(_engine_options):
        command = option(command)
    return command


def take_engine_options(options: dict):
    """Take the options of engine_options out of those of a command; returns EngineOptions, by which
    frames wait.

    Raises EngineError where they contradict each other.
    """
    from depth_ros.engine.options import EngineOptions

    return EngineOptions(**{name: options.pop(name) for name in _ENGINE_NAMES}, waits=True)


mode_option = click.option(
    "--mode",
    type=click.Choice(["auto", "stereo", "mono"]),
    default="auto",
    show_default=True,
    help="auto: what --model is for, else mono where the input has one camera only.",
)
MAX_DISPARITY_PX = 128
range_option = click.option(
    "--max-disparity-px",
    type=click.IntRange(16, 1024),
    help=(
        f"Range to search, whatever INPUT says of it [ndisp in calib.txt, else {MAX_DISPARITY_PX}]."
    ),
)
tolerance_option = click.option(
    "--sync-tolerance-s",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Seconds by which the stamps of a pair may differ.",
)
TOPIC_OPTIONS = (
    click.option(
        "--camera",
        metavar="NAMESPACE",
        default="",
        help="Take the images below this namespace of a bag.",
    ),
    click.option(
        "--image-topic",
        default="",
        help="The images of one camera; its camera_info is beside them.",
    ),
    click.option("--left-image-topic", default="", help="The left images of a pair."),
    click.option(
        "--right-image-topic", default="", help="The right ones [the other side of the left topic]."
    ),
    click.option("--truth-topic", default="", help="Ground-truth depth [.../ground_truth/depth]."),
    click.option(
        "--depth-topic",
        default="",
        help="A depth camera's depth, to drive ego-motion in depth's place.",
    ),
)
