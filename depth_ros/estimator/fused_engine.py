"""The whole step on a GPU: which engine answers it, found, built or named, and the stereo
estimator around that.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from depth_ros.engine.background import UpgradingEngine
from depth_ros.engine.base import Engine
from depth_ros.engine.load import gate_frames, open_named, upgrade_policy
from depth_ros.engine.options import EngineOptions
from depth_ros.engine.tensorrt.tensors import STEP_OUTPUTS

from .fused import PlainStep, Say, StepEstimator, rendered, step_inputs, step_of
from .preprocess import tensor_size
from .stereo import StereoEstimator

Frames = Callable[[], Iterator[dict]]


def stereo_estimator(
    engine: Engine,
    max_disparity_px: int = 128,
    options: EngineOptions | None = None,
    say: Say | None = None,
) -> StereoEstimator:
    """Make the stereo estimator of an engine: where a GPU takes over, one replay of it is one
    frame.

    Args:
        engine: As engine.load.load_engine returns it.
        max_disparity_px: The range to search, pixels of the frame, where the frame does not say.
        options: Those that the engine was loaded with.
        say: Told when engines change.
    """
    if isinstance(engine, UpgradingEngine) and len(engine.spec.outputs) == 2:
        return step_on_tensorrt(engine.first, max_disparity_px, say, options)
    return StereoEstimator(engine, max_disparity_px)


def step_on_tensorrt(
    engine,
    max_disparity_px: int = 128,
    say: Say | None = None,
    options: EngineOptions | None = None,
) -> StepEstimator:
    """Have the whole step made ready in the background, compared on the frame at hand and rendered
    ones; change to it.

    Args:
        engine: The stereo network in ONNX Runtime, which answers meanwhile, and for good where
        build or gate fail. max_disparity_px: Pixels of the frame. say: Told of each change.
        options: Which engine, and whether frames wait for it.
    """
    options = options or EngineOptions()

    def tell(words: str) -> None:
        estimator.engine.say(words)  # of then: a node speaks later than it makes this

    preparation = _Preparation(engine, max_disparity_px, options, tell)
    plain = PlainStep(engine, with_points=False)
    estimator = StepEstimator(plain, preparation, max_disparity_px, say, upgrade_policy(options))
    return estimator


class _Preparation:
    """Finds or builds the engine of the whole step for the images at hand, and opens it through the
    gate.

    Where the cache has an engine of the bare network and none of the whole step, that one is taken,
    with the plain step around it: what was built is used. The same holds for an engine that is
    named.
    """

    def __init__(self, network, max_disparity_px: int, options: EngineOptions, say: Say):
        self._network = network
        self._max_disparity_px = max_disparity_px
        self._options = options
        self._say = say
        self._gate = PlainStep(network)

    def __call__(self, inputs: dict[str, np.ndarray], cancelled: threading.Event) -> Engine:
        """Return the engine for images of this size; raises EngineError where there can be none."""
        frames = gate_frames(inputs, lambda: self._rendered(inputs["left"].shape[:2]))
        if self._options.engine:
            return self._named(frames)
        return self._cached(inputs["left"].shape[:2], frames, cancelled)

    def _named(self, frames: Frames) -> Engine:
        """The engine that the user named: of the whole step or of the network."""
        from depth_ros.engine.tensorrt.cache import read_engine

        options, network = self._options, self._network
        if "camera" in read_engine(Path(options.engine)).about["key"]["shapes"]:
            return open_named(
                options, network, self._gate, frames(), STEP_OUTPUTS[:2]
            )  # nodes pack clouds themselves
        return StepAround(open_named(options, network, network, self._of_network(frames)))

    def _cached(
        self, image_size: tuple[int, int], frames: Frames, cancelled: threading.Event
    ) -> Engine:
        """The engine in the cache, of the whole step or of the network, or a new one of the
        whole step.
        """
        from depth_ros.engine.tensorrt.build import Request, find, find_or_build
        from depth_ros.engine.tensorrt.cache import EngineCache, StaleEngine
        from depth_ros.engine.tensorrt.engine import open_checked

        spec, options, cache = self._network.spec, self._options, EngineCache()
        of_network = Request(
            self._network.path,
            tensor_size(*image_size, spec),
            options.precision,
            options.workspace_mib,
        )
        of_step = replace(
            of_network, frames=frames(), step=step_of(spec, image_size), plain=self._gate
        )
        try:
            key = find(of_step, cache, spec)
        except StaleEngine:
            with contextlib.suppress(StaleEngine):
                key = find(of_network, cache, spec)
                checked = self._of_network(frames)
                return StepAround(
                    open_checked(cache, key, self._network, checked, binding=options.cuda_binding)
                )
            key = find_or_build(of_step, cache, spec, cancelled, self._say)
        return open_checked(
            cache, key, self._gate, frames(), STEP_OUTPUTS[:2], options.cuda_binding
        )

    def _of_network(self, frames: Frames) -> Iterator[dict]:
        """The network's own inputs, made of those of the step."""
        return (self._gate.tensors(inputs) for inputs in frames())

    def _rendered(self, image_size: tuple[int, int]) -> list[dict]:
        """Inputs of the step from the procedural room."""
        spec = self._network.spec
        return [
            step_inputs(frame, spec, self._max_disparity_px) for frame in rendered(spec, image_size)
        ]


class StepAround(PlainStep):
    """The step around an engine of the bare network that holds a GPU, to be closed with it."""

    def __init__(self, engine):
        super().__init__(engine, with_points=False)
        self.note = engine.note

    def close(self) -> None:
        """Give the GPU back."""
        self.engine.close()
