"""What `depth-ros build` does: from the words of a command line to an engine in the cache."""

from __future__ import annotations

import re
import sys
import time
from itertools import islice
from pathlib import Path

import click

from .core.errors import EngineError, InputError

_FRAMES = 24  # of a bag, spread over it: for int8's ranges, and to compare on
_SIZES = {"stereo": (480, 640), "mono": (480, 640), "pose": (480, 640)}


def build_engine(model, precision, shape, workspace, library, capability, calibrate, cache, force) -> None:
    """Build, or find, an engine and say where it lies and how close it is.

    shape: "HxW" of the camera's images, "" = of the bag, else 480x640. Raises EngineError, SpecError or InputError.
    """
    from .engine.build import Request, build
    from .engine.cache import EngineCache
    from .engine.onnx_engine import OnnxEngine

    spec = OnnxEngine(model).spec
    if precision == "int8" and not calibrate:
        raise InputError("int8: expected --calibrate BAG, got none: its ranges come from frames like the robot's own")
    if capability and not re.fullmatch(r"\d+\.\d", capability):
        raise InputError(f"--compute-capability: expected a number like 8.6, got {capability!r}")
    frames = bag_frames(calibrate, spec) if calibrate else []
    size = _size(shape, frames, spec)
    request = Request(Path(model), size, precision, workspace, library, capability, frames)
    click.echo(f"{spec.name}: {precision}, tensors of {size[0]}x{size[1]}")
    with Bar() as bar:
        built = build(request, EngineCache(cache), force, bar.update)
    parity = built.parity
    if built.reason:
        click.echo(built.reason)
        click.echo(f"built in {built.seconds:.0f} s with {built.key.library} {built.key.version}")
    else:
        click.echo("in the cache already")
    words = "from ONNX Runtime on average, {max:.2g} at most; limit {limit} on average ({frames} frames)"
    click.echo(f"{parity['output']}: {parity['mean']:.2g} {parity['unit']} {words.format(**parity)}")
    click.echo(f"{built.path}")


def bag_frames(bag, spec) -> list[dict]:
    """Inputs of a model made from frames spread over a bag, all of one size; raises InputError where there are none."""
    from .prepare import rectified, to_image_tensor, to_tensors
    from .replay.sample import open_source

    source = open_source(bag, "stereo" if spec.task == "stereo" else "mono")
    step = max(1, len(source) // _FRAMES)
    found = [rectified(sample.frame) for sample in islice(source, 0, step * _FRAMES, step)]
    if spec.task == "stereo":
        arrays = [to_tensors(frame, spec, frame.max_disparity_px or 128) for frame in found]
    else:
        images = [to_image_tensor(frame.left, frame.camera, spec)[0] for frame in found]
        arrays = [{"image": one} if spec.task == "mono" else {"first": one, "second": two}
                  for one, two in zip(images, images[1:] + images[-1:])]  # fmt: skip
    if not arrays:
        raise InputError(f"{bag}: expected frames for calibration, got none")
    return arrays


def _size(shape: str, frames: list[dict], spec) -> tuple[int, int]:
    """The (height, width) of the tensors."""
    from .prepare import tensor_size

    of_bag = next(iter(frames[0].values())).shape[2:] if frames else None
    if not shape:
        return tuple(of_bag) if of_bag else tensor_size(*_SIZES[spec.task], spec)
    match = re.fullmatch(r"(\d+)x(\d+)", shape)
    if not match or "0" in match.groups():
        raise EngineError(f"--shape: expected HxW of the camera's images like 480x640, got {shape!r}")
    height, width = tensor_size(int(match[1]), int(match[2]), spec)
    if of_bag and (height, width) != tuple(of_bag):
        raise EngineError(f"--shape: expected the bag's ({of_bag[0]}x{of_bag[1]} tensors), got {height}x{width}")
    return height, width


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
