"""What `depth-ros build` does: from the words of a command line to an engine in the cache."""

from __future__ import annotations

import re
import sys
import threading
import time
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import click

from depth_ros.core.errors import EngineError, InputError

_FRAMES = 24  # of a bag, spread over it: for int8's ranges, and to compare on
_MAX_DISPARITY_PX = 128
_SIZES = {"stereo": (480, 640), "mono": (480, 640), "pose": (480, 640)}


@dataclass(frozen=True)
class BuildCommand:
    """The options of `depth-ros build`.

    Args:
        precision: "fp32", "fp16" or "int8".
        shape: "HxW" of the camera's images; "": of the bag, else 480x640.
        workspace: Most MiB for scratch; 0: the library's choice.
        library: "auto", "tensorrt" or "tensorrt_rtx".
        capability: Compute capability to build for; "": of this machine's GPU.
        calibrate: A bag for int8; alone: every other frame for the ranges, the rest to compare.
        frames: A bag to compare on.
        with_io: The whole step.
        cache: Folder for engines.
        force: Build even what the cache has.
        save_onnx: Also write the graph that TensorRT gets.
        import_file: Take this engine instead of building one.
    """

    precision: str = "fp16"
    shape: str = ""
    workspace: int = 0
    library: str = "auto"
    capability: str = ""
    calibrate: Path | None = None
    frames: Path | None = None
    with_io: bool = False
    cache: Path | None = None
    force: bool = False
    save_onnx: Path | None = None
    import_file: Path | None = None


def build_engine(model, command: BuildCommand) -> None:
    """Build, find or import an engine and say where it lies, how close it is, and what its
    precision costs.

    Raises EngineError, SpecError or InputError.
    """
    from depth_ros.engine.onnx import OnnxEngine
    from depth_ros.engine.tensorrt.build import build
    from depth_ros.engine.tensorrt.cache import EngineCache

    network = OnnxEngine(model)
    spec = network.spec
    _check(command)
    calibrate = command.calibrate
    frames = command.frames
    if frames or calibrate:
        samples = bag_samples(frames or calibrate, spec)
    else:
        samples = []
    if frames and calibrate:
        ranges = bag_samples(calibrate, spec)
    else:
        ranges = samples[::2]
    if calibrate and not frames:
        held = samples[1::2] or samples
    else:
        held = samples
    request = _request(network, command, held, ranges)
    height, width = request.size
    if command.with_io:
        whole = ", the whole step"
    else:
        whole = ""
    click.echo(f"{spec.name}: {command.precision}, tensors of {height}x{width}{whole}")
    if command.save_onnx and _only_graph(network, request, command):
        return
    cache = EngineCache(command.cache)
    if command.import_file:
        return _import(network, request, cache, command.import_file)
    with Bar() as bar:
        built = build(
            request, cache, command.force, bar.update, say=lambda words: click.echo(words, err=True)
        )
    click.echo("\n".join(_words(built, "" if held else ", rendered")))


def _check(command: BuildCommand) -> None:
    """Raise InputError for options that do not go together."""
    if command.import_file and command.save_onnx:
        raise InputError("--import: expected no --save-onnx beside it: nothing is converted then")
    if command.precision == "int8" and not (command.calibrate or command.import_file):
        raise InputError(
            "int8: expected --calibrate BAG, got none: its ranges come from frames like "
            "the robot's own"
        )
    if command.calibrate and command.precision != "int8":
        words = "--frames BAG compares on a bag"
        raise InputError(
            f"--calibrate: expected --precision int8, got {command.precision}; {words}"
        )
    if command.capability and not re.fullmatch(r"\d+\.\d", command.capability):
        raise InputError(
            f"--compute-capability: expected a number like 8.6, got {command.capability!r}"
        )


def _request(network, command: BuildCommand, held: list, ranges: list):
    """What is to be built of which frames."""
    from depth_ros.engine.tensorrt.build import Request

    image_size, size = _sizes(command.shape, [*held, *ranges], network.spec)
    request = Request(
        Path(network.path),
        size,
        command.precision,
        command.workspace,
        command.library,
        command.capability,
        calibration=to_arrays(ranges, network.spec) if command.precision == "int8" else [],
        judge=_judge(held, network, command.precision),
    )
    if command.with_io:
        return _whole(request, held, network, image_size)
    return replace(request, frames=to_arrays(held, network.spec))


def _only_graph(network, request, command: BuildCommand) -> bool:
    """Write the converted graph, compared; True where there is no TensorRT here that could go
    on.
    """
    from depth_ros.engine.tensorrt.api import import_library
    from depth_ros.engine.tensorrt.build import convert_checked
    from depth_ros.files import write_atomic

    converted = convert_checked(request, network, threading.Event())
    file = command.save_onnx
    try:
        write_atomic(file, converted.model, durable=True)
    except OSError as error:
        raise EngineError(
            f"{file}: expected to write the graph, got {error.strerror or error}"
        ) from error
    click.echo(f"{file}: the graph that TensorRT gets ({len(converted.model)} bytes)")
    try:
        import_library(command.library)
    except EngineError as error:
        click.echo(f"no engine is built here: {error}")
        return True
    return False


def _import(network, request, cache, file: Path) -> None:
    """Put an engine into the cache, and where a GPU is at hand pass it through the gate."""
    from depth_ros.engine.parity import rendered_frames
    from depth_ros.engine.tensorrt.build import import_engine
    from depth_ros.engine.tensorrt.cuda_driver import import_cuda
    from depth_ros.engine.tensorrt.engine import open_checked
    from depth_ros.engine.tensorrt.gpu import find_gpu

    built = import_engine(request, cache, file)
    try:
        find_gpu()
        import_cuda()
    except EngineError as error:
        click.echo(f"not opened here, so it is compared when a node first opens it: {error}")
    else:
        frames = request.frames or rendered_frames(network.spec, request.size)
        open_checked(cache, built.key, request.plain or network, frames).close()
        click.echo("compared with ONNX Runtime on this GPU: it answers the same")
    click.echo(f"{built.reason}\n{built.path}")


def _whole(request, held: list, network, image_size: tuple[int, int]):
    """The request for the whole step, to be compared with the plain one."""
    from depth_ros.estimator.fused import PlainStep, rendered, step_inputs, step_of

    step = step_of(network.spec, image_size)
    frames = [sample.frame for sample in held] or rendered(network.spec, image_size)
    inputs = [step_inputs(frame, network.spec, _MAX_DISPARITY_PX) for frame in frames]
    return replace(request, frames=inputs, step=step, plain=PlainStep(network))


def _judge(samples: list, network, precision: str):
    """What judges the converted network where frames have truth; None for pose, or without
    frames.
    """
    if not samples or network.spec.task == "pose":
        return None
    from depth_ros.evaluation.accuracy import Graph, truth_errors

    def judge(converted) -> dict:
        graph = Graph(converted, network.spec, precision)
        return truth_errors(samples, {"float": network, precision: graph}, _MAX_DISPARITY_PX)

    return judge


def _words(built, which: str) -> list[str]:
    """What is said of a build."""
    parity = built.parity
    lines = ["in the cache already"]
    if built.reason:
        lines = [
            built.reason,
            f"built in {built.seconds:.0f} s with {built.key.library} {built.key.version}",
        ]
    if not parity:
        return [
            *lines,
            "imported: compared with ONNX Runtime when it is first opened",
            f"{built.path}",
        ]
    words = (
        "from ONNX Runtime on average, {max:.2g} at most; limit {limit} on average ({frames} frames"
    )
    lines.append(
        f"{parity['output']}: {parity['mean']:.2g} {parity['unit']} "
        f"{words.format(**parity)}{which})"
    )
    for name, figures in built.accuracy.items():
        told = ", ".join(f"{key} {value:.4g}" for key, value in figures.items())
        lines.append(f"against the truth, {name}: {told}")
    if not which and not built.accuracy:
        lines.append("against the truth: not measured, these frames have none")
    return [*lines, f"{built.path}"]


def bag_samples(bag, spec) -> list:
    """Frames spread over a bag, rectified; raises InputError where there are none."""
    from depth_ros.estimator.preprocess import rectified
    from depth_ros.recordings.sample import open_source

    source = open_source(bag, "stereo" if spec.task == "stereo" else "mono")
    step = max(1, len(source) // _FRAMES)
    found = [replace(s, frame=rectified(s.frame)) for s in islice(source, 0, step * _FRAMES, step)]
    if not found:
        raise InputError(f"{bag}: expected frames, got none")
    return found


def to_arrays(samples: list, spec) -> list[dict]:
    """Inputs of a model made from samples; for pose each with the one after it."""
    from depth_ros.estimator.preprocess import to_image_tensor, to_tensors

    frames = [sample.frame for sample in samples]
    if spec.task == "stereo":
        return [
            to_tensors(frame, spec, frame.max_disparity_px or _MAX_DISPARITY_PX) for frame in frames
        ]
    images = [to_image_tensor(frame.left, frame.camera, spec)[0] for frame in frames]
    if spec.task == "mono":
        return [{"image": image} for image in images]
    return [{"first": one, "second": two} for one, two in zip(images, images[1:] + images[-1:])]


def _sizes(shape: str, samples: list, spec) -> tuple[tuple[int, int], tuple[int, int]]:
    """The (height, width) of the camera's images, and of the tensors."""
    from depth_ros.estimator.preprocess import tensor_size

    found = sorted({sample.frame.left.shape[:2] for sample in samples})
    if len({tensor_size(*size, spec) for size in found}) > 1:
        raise InputError(
            f"expected frames of one size, got (height, width) {', '.join(map(str, found))}"
        )
    if not shape:
        if found:
            image = found[0]
        else:
            image = _SIZES[spec.task]
        return image, tensor_size(*image, spec)
    match = re.fullmatch(r"(\d+)x(\d+)", shape)
    if not match or "0" in match.groups():
        raise EngineError(
            f"--shape: expected HxW of the camera's images like 480x640, got {shape!r}"
        )
    image = (int(match[1]), int(match[2]))
    if found and image != found[0]:
        raise EngineError(f"--shape: expected the bag's {found[0][0]}x{found[0][1]}, got {shape}")
    return image, tensor_size(*image, spec)


class Bar:
    """A line on stderr with the share done and the time to go; on terminals only."""

    def __init__(self):
        self._start = time.monotonic()
        self._shows = sys.stderr.isatty()

    def update(self, share: float) -> None:
        """Show a share of 0 to 1."""
        if self._shows:
            click.echo(f"\r{bar_words(share, time.monotonic() - self._start)}", err=True, nl=False)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self._shows:
            click.echo("\r\033[K", err=True, nl=False)


def bar_words(share: float, seconds: float) -> str:
    """Progress in words.

    >>> bar_words(0.25, 10.0)
    'building  25 %, 10 s, about 30 s to go'
    """
    if share > 0.02:
        rest = f", about {seconds * (1 - share) / share:.0f} s to go"
    else:
        rest = ""
    return f"building {share:4.0%}, {seconds:.0f} s{rest}".replace("%", " %")
