"""ModelSpec: the contract that travels inside the ONNX metadata."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields

from ..core.errors import SpecError

METADATA_KEY = "depth_ros.spec"
VERSION = 1
TASKS = ("stereo", "mono")
# name -> shape; None stands for the size of the image. float32 all of them.
INPUTS = {
    "left": (1, 3, None, None),
    "right": (1, 3, None, None),
    "image": (1, 3, None, None),
    "prior": (1, 2, None, None),  # engine.matching.matched_prior: filled disparity in pixels; 1 answered, 0 filled
    "max_disparity_px": (1,),  # the range to search, pixels of the tensors
}
OUTPUTS = {
    "disparity": (1, 1, None, None),  # pixels at the resolution of the input tensors
    "log_sigma": (1, 1, None, None),  # natural logarithm of one standard deviation of disparity in pixels
    "depth": (1, 1, None, None),  # mono: metres
}
_REQUIRED = {"stereo": (("left", "right"), "disparity"), "mono": (("image",), "depth")}


@dataclass(frozen=True)
class ModelSpec:
    """Say what a network takes and gives, so that nobody has to guess.

    name: of the model. task: "stereo" or "mono". inputs, outputs: tensor names, see INPUTS and OUTPUTS.
    height, width: pixels of the tensors, 0 = any multiple of divisor. divisor: pixels, sizes must be multiples of it.
    max_disparity_px: the largest disparity it can answer, 0 = any. mean, std: input = (rgb_uint8 - mean) / std.
    scale_source: where metres come from. licence, trained_on: for people. version: of this contract.
    Raises SpecError for anything that does not fit.

    >>> ModelSpec("tiny", "stereo", ("left", "right"), ("disparity",), 0, 0).divisor
    32
    """

    name: str
    task: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    height: int
    width: int
    divisor: int = 32
    max_disparity_px: int = 0
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (255.0, 255.0, 255.0)
    scale_source: str = "stereo baseline"
    licence: str = "Apache-2.0"
    trained_on: str = ""
    version: int = VERSION

    def __post_init__(self):
        for key in ("name", "task", "scale_source", "licence", "trained_on"):
            _expect(isinstance(getattr(self, key), str), key, "a text", getattr(self, key))
        for key, least in (("height", 0), ("width", 0), ("divisor", 1), ("max_disparity_px", 0), ("version", 0)):
            value = getattr(self, key)
            _expect(type(value) is int and value >= least, key, f"an integer >= {least}", value)
        _expect(self.version == VERSION, "version", VERSION, self.version)
        _expect(self.task in TASKS, "task", f"one of {TASKS}", self.task)
        self._check_names("inputs", INPUTS)
        self._check_names("outputs", OUTPUTS)
        self._check_task()
        self._check_numbers()

    @property
    def is_dynamic(self) -> bool:
        """True where the network takes any size that is a multiple of divisor."""
        return self.height == 0

    def to_json(self) -> str:
        """Write the spec as JSON text, every key in it."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> ModelSpec:
        """Read what to_json wrote; raises SpecError for text, a key or a value that does not fit, and names it."""
        try:
            values = json.loads(text)
        except (ValueError, TypeError) as error:
            raise SpecError(f"spec: expected JSON, got {str(text)[:60]!r} ({error})") from error
        _expect(isinstance(values, dict), "spec", "a JSON object", type(values).__name__)
        # The version first: a spec of another version may well have other keys, and that is what to say.
        _expect(values.get("version") == VERSION, "version", VERSION, values.get("version"))
        known = {item.name for item in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise SpecError(f"spec: expected keys {sorted(known)}, got unknown {unknown}")
        if missing := sorted(known - set(values)):
            raise SpecError(f"spec: expected keys {sorted(known)}, missing {missing}")
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})

    def _check_names(self, key: str, known: dict) -> None:
        """Refuse tensor names that this version does not define."""
        names = getattr(self, key)
        _expect(isinstance(names, tuple), key, "a list of names", names)
        _expect(all(name in known for name in names), key, f"names out of {sorted(known)}", names)
        _expect(len(set(names)) == len(names), key, "each name once", names)

    def _check_task(self) -> None:
        """Refuse a spec without the tensors that its task needs."""
        inputs, output = _REQUIRED[self.task]
        _expect(set(inputs) <= set(self.inputs), "inputs", f"{inputs} for {self.task}", self.inputs)
        _expect(output in self.outputs, "outputs", f"{output!r} for {self.task}", self.outputs)

    def _check_numbers(self) -> None:
        """Refuse sizes that contradict each other and a normalisation that cannot be computed."""
        size = f"{self.width}x{self.height}"
        _expect((self.height == 0) == (self.width == 0), "height, width", "both 0 or both fixed", size)
        fits = self.height % self.divisor == 0 and self.width % self.divisor == 0
        _expect(fits, "height, width", f"multiples of {self.divisor}", size)
        for key in ("mean", "std"):
            values = getattr(self, key)
            good = isinstance(values, tuple) and len(values) == 3
            good = good and all(isinstance(v, (int, float)) and math.isfinite(v) for v in values)
            _expect(good, key, "three finite numbers", values)
        _expect(all(value > 0 for value in self.std), "std", "numbers above 0", self.std)


def _expect(condition: bool, key: str, expected, got) -> None:
    """Raise SpecError naming the key unless the condition holds."""
    if not condition:
        raise SpecError(f"spec {key}: expected {expected}, got {got!r}")
