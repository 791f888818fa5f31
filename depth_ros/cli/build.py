"""What `depth-ros build` does: from the words of a command line to an engine in the cache."""

from __future__ import annotations

import re
import sys
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import click

from depth_ros.core.errors import EngineError, InputError

_FRAMES = 24  # of a bag, spread over it: for int8's ranges, and to compare on
_MAX_DISPARITY_PX = 128
_SIZES = {"stereo": (480, 640), "mono": (480, 640), "pose": (480, 640)}


def build_engine(
    model,
    precision,
    shape,
    workspace,
    library,
    capability,
    calibrate,
    frames,
    with_io,
    cache,
    force,
) -> None:
    """Build, or find, an engine and say where it lies, how close it is, and what its precision
    costs.

    shape: "HxW" of the camera's images, "" = of the bag, else 480x640. Of --calibrate alone every
    other frame is for the ranges, and those between are compared on. Raises EngineError, SpecError
    or InputError.
    """
    from depth_ros.engine.onnx import OnnxEngine
    from depth_ros.engine.tensorrt.build import Request, build
    from depth_ros.engine.tensorrt.cache import EngineCache

    network = OnnxEngine(model)
    spec = network.spec
    if precision == "int8" and not calibrate:
        raise InputError(
            "int8: expected --calibrate BAG, got none: its ranges come from frames like "
            "the robot's own"
        )
    if calibrate and precision != "int8":
        raise InputError(
            f"--calibrate: expected --precision int8, got {precision}; --frames BAG "
            "compares on a bag"
        )
    if capability and not re.fullmatch(r"\d+\.\d", capability):
        raise InputError(f"--compute-capability: expected a number like 8.6, got {capability!r}")
    samples = bag_samples(frames or calibrate, spec) if frames or calibrate else []
    ranges = bag_samples(calibrate, spec) if frames and calibrate else samples[::2]
    held = samples[1::2] or samples if calibrate and not frames else samples
    image_size, size = _sizes(shape, [*held, *ranges], spec)
    request = Request(
        Path(model),
        size,
        precision,
        workspace,
        library,
        capability,
        calibration=to_arrays(ranges, spec) if precision == "int8" else [],
        judge=_judge(held, network, precision),
    )
    request = (
        _whole(request, held, network, image_size)
        if with_io
        else replace(request, frames=to_arrays(held, spec))
    )
    click.echo(
        f"{spec.name}: {precision}, tensors of {size[0]}x{size[1]}"
        + (", the whole step" if with_io else "")
    )
    with Bar() as bar:
        built = build(
            request,
            EngineCache(cache),
            force,
            bar.update,
            say=lambda words: click.echo(words, err=True),
        )
    click.echo("\n".join(_words(built, "" if held else ", rendered")))


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
        image = found[0] if found else _SIZES[spec.task]
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
        self._start, self._shows = time.monotonic(), sys.stderr.isatty()

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
    rest = f", about {seconds * (1 - share) / share:.0f} s to go" if share > 0.02 else ""
    return f"building {share:4.0%}, {seconds:.0f} s{rest}".replace("%", " %")
