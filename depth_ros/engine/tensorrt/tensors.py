"""What goes into an engine and what comes out of it, by name: of a bare network, or of the whole
step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_ros.core.errors import EngineError
from depth_ros.engine.spec import OUTPUTS, ModelSpec

STEP_OUTPUTS = ("metres", "sigma_m", "points")


@dataclass(frozen=True)
class Tensors:
    """inputs, outputs: name -> (shape, dtype), dtype "float32" or "uint8"."""

    inputs: dict[str, tuple[tuple[int, ...], str]]
    outputs: dict[str, tuple[tuple[int, ...], str]]

    @classmethod
    def of(cls, spec: ModelSpec, shapes: dict) -> Tensors:
        """The tensors of an engine whose inputs have these shapes; an image of three axes means the
        whole step.

        >>> spec = ModelSpec("m", "mono", ("image",), ("depth",), 0, 0)
        >>> Tensors.of(spec, {"image": (1, 3, 192, 640)}).outputs
        {'depth': ((1, 1, 192, 640), 'float32')}
        >>> Tensors.of(spec, {"image": (90, 150, 3), "camera": (4,)}).outputs["points"]
        ((90, 150, 4), 'float32')
        """
        shapes = {name: tuple(shape) for name, shape in shapes.items()}
        inputs = {
            name: (shape, "uint8" if len(shape) == 3 else "float32")
            for name, shape in shapes.items()
        }
        first = shapes[spec.inputs[0]]
        if len(first) == 3:
            height, width = first[:2]
            outputs = {
                "metres": (height, width),
                "sigma_m": (height, width),
                "points": (height, width, 4),
            }
        else:
            outputs = {
                n: (*OUTPUTS[n][:2], *first[2:]) if len(OUTPUTS[n]) == 4 else OUTPUTS[n]
                for n in spec.outputs
            }
        return cls(inputs, {name: (shape, "float32") for name, shape in outputs.items()})

    def check(self, inputs: dict[str, np.ndarray]) -> None:
        """Raise EngineError unless the arrays are those of the engine."""
        missing = [name for name in self.inputs if name not in inputs]
        if missing:
            raise EngineError(f"expected inputs {tuple(self.inputs)}, missing {missing}")
        for name, (shape, kind) in self.inputs.items():
            got = inputs[name]
            if got.shape != shape or got.dtype != kind:
                raise EngineError(
                    f"input {name}: expected {shape} as the engine is built, {kind}, "
                    f"got {got.shape} {got.dtype}"
                )

    def check_compiled(self, found: dict[str, tuple]) -> None:
        """Raise EngineError unless a compiled network, (shape, name of type) by name, has
        exactly these tensors.
        """
        expected = {
            name: (shape, _TYPES[kind])
            for name, (shape, kind) in (self.inputs | self.outputs).items()
        }
        got = {
            name: (tuple(shape), _TYPES.get(kind, kind)) for name, (shape, kind) in found.items()
        }
        if got != expected:
            raise EngineError(f"compiled network: expected {expected}, got {got}")


_TYPES = {"float32": "float", "float": "float", "uint8": "uint8"}
