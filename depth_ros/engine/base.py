"""The seam between the estimator and whatever computes disparity."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from depth_ros.core.errors import EngineError

from .spec import ModelSpec

_WARMUP_PX = 128


class Runnable(Protocol):
    """What the parity gate compares with: a spec, and answers to frames."""

    @property
    def spec(self) -> ModelSpec: ...

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]: ...


class Engine(Runnable, Protocol):
    """Whatever turns tensors into tensors as its spec says.

    Attributes:
        name: Of the backend.
        model_hash: Short digest that distinguishes models in diagnostics.
        precision: Of the numbers that it computes with, "fp32", "fp16" or "int8"; "" where there is
            no network.

    run takes and returns float32 arrays by name, shapes as in spec.INPUTS and spec.OUTPUTS; raises
    EngineError. warmup pays the costs of the first run ahead of the first frame.
    """

    @property
    def name(self) -> str: ...

    @property
    def model_hash(self) -> str: ...

    @property
    def precision(self) -> str: ...

    def warmup(self) -> None: ...


def blank_inputs(spec: ModelSpec) -> dict[str, np.ndarray]:
    """Make inputs of zeros in a size that the spec allows, for warm-up and parity checks."""
    least = -(-_WARMUP_PX // spec.divisor) * spec.divisor
    size = (spec.height or least, spec.width or least)
    return {name: np.zeros(spec.shape(name, size), np.float32) for name in spec.inputs}


def check_inputs(spec: ModelSpec, inputs: dict[str, np.ndarray]) -> None:
    """Raise EngineError unless the arrays are those that the spec names, float32, of one fitting
    size.
    """
    missing = [name for name in spec.inputs if name not in inputs]
    if missing:
        raise EngineError(f"expected inputs {spec.inputs}, missing {missing}")
    first = inputs[spec.inputs[0]]
    size = first.shape[2:]
    if not spec.is_dynamic:
        size = (spec.height, spec.width)
    for name in spec.inputs:
        array = inputs[name]
        shape = spec.shape(name, tuple(size))
        if array.dtype != np.float32 or array.shape != shape:
            raise EngineError(
                f"input {name}: expected float32 {shape}, got {array.dtype} {array.shape}"
            )
    if any(side == 0 or side % spec.divisor for side in size):
        raise EngineError(f"expected sizes that are multiples of {spec.divisor}, got {tuple(size)}")
