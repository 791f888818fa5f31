"""The key of an engine: all that it depends on, and which other key will do where somebody knows
less.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, replace

ANY_GPU = "any"
UNKNOWN = "?"  # the calibration of an int8 engine that is looked for: whatever its sidecar says


@dataclass(frozen=True)
class CacheKey:
    """Everything that an engine depends on; a difference in any of it is another engine.

    Args:
        model_sha256: Of the ONNX file.
        library: "tensorrt" or "tensorrt_rtx".
        version: Of the library.
        gpu: Name of the device; "any" for tensorrt_rtx, whose engines are finished on the device.
        compute_capability: As "8.6".
        precision: "fp32", "fp16" or "int8".
        shapes: Input name -> shape.
        options: Of the conversion: its version, the whole step.
        driver: Of the GPU; "" for tensorrt_rtx.
        multiprocessors: Of the GPU: one chip is sold with several counts; 0 for tensorrt_rtx.
        makers: Package -> version of what makes the graph: onnx, onnxruntime.
        workspace_mib: Most scratch memory that the builder was allowed; 0: its own choice.
        calibration: Digest of the frames that int8 was calibrated on; "" for other precisions.
    """

    model_sha256: str
    library: str
    version: str
    gpu: str
    compute_capability: str
    precision: str
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    driver: str = ""
    multiprocessors: int = 0
    makers: dict[str, str] = field(default_factory=dict)
    workspace_mib: int = 0
    calibration: str = ""

    def to_dict(self) -> dict:
        """The key as JSON has it: lists for tuples, sorted names."""
        return json.loads(json.dumps(asdict(self), sort_keys=True))

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that differ wherever anything in the key does."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:16]

    def difference(self, other: dict) -> str:
        """Name the first field that differs from the key in a file, and both values; "" where
        none does.
        """
        mine = self.to_dict()
        for item in fields(self):
            if mine[item.name] != other.get(item.name):
                return f"{item.name}: expected {mine[item.name]}, got {other.get(item.name)}"
        return ""

    @classmethod
    def from_dict(cls, values: dict) -> CacheKey:
        """Make the key that to_dict wrote; raises TypeError for other names."""
        shapes = {name: tuple(shape) for name, shape in values.get("shapes", {}).items()}
        return cls(**{**values, "shapes": shapes})


def opened(key: CacheKey, wanted: CacheKey) -> CacheKey:
    """A key without what the wanted one leaves open."""
    if wanted.workspace_mib == 0:
        key = replace(key, workspace_mib=0)
    if wanted.calibration == UNKNOWN:
        key = replace(key, calibration=UNKNOWN)
    return key


def nearest(keys: list[CacheKey], wanted: CacheKey) -> str:
    """What differs in an engine of the same model, precision and size, as after an update; ""
    without one.
    """

    def kind(key: CacheKey) -> tuple:
        return key.model_sha256, key.precision, key.shapes

    for key in keys:
        if kind(key) == kind(wanted):
            return (
                f"; one is there that differs in {wanted.difference(opened(key, wanted).to_dict())}"
            )
    return ""
