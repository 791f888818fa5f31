"""ModelSpec: the contract that travels inside the ONNX metadata."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from depth_ros.core.errors import SpecError

METADATA_KEY = "depth_ros.spec"
VERSION = 2
TASKS = ("stereo", "mono", "pose")
RELATIVE = "none"  # the scale_source of a model whose answers are true up to one unknown factor
# name -> shape; None stands for the size of the image. float32 all of them.
INPUTS = {
    "left": (1, 3, None, None),
    "right": (1, 3, None, None),
    "image": (1, 3, None, None),
    "first": (1, 3, None, None),  # pose: the earlier image
    "second": (1, 3, None, None),  # pose: the later image, of the same size
    # engine.matching.matched_prior: filled disparity in pixels of the images; 1 answered, 0 filled.
    # Smaller than the images by prior_scale.
    "prior": (1, 2, None, None),
    "max_disparity_px": (1,),  # the range to search, pixels of the tensors
}
OUTPUTS = {
    "disparity": (1, 1, None, None),  # pixels at the resolution of the input tensors
    "log_sigma": (
        1,
        1,
        None,
        None,
    ),  # natural logarithm of one standard deviation of disparity in pixels
    "depth": (1, 1, None, None),  # mono: metres of the canonical camera (see focal_px), or relative
    "log_rel_sigma": (
        1,
        1,
        None,
        None,
    ),  # natural logarithm of (one standard deviation of depth / depth)
    "pose": (
        1,
        6,
    ),  # rotation vector in radians, then translation, of the canonical camera; optical axes
}
_REQUIRED = {
    "stereo": (("left", "right"), "disparity"),
    "mono": (("image",), "depth"),
    "pose": (("first", "second"), "pose"),
}
_DIRECTIONS = ("", "first_T_second")
_TEXTS = ("name", "task", "scale_source", "licence", "trained_on", "pose_direction", "recipe")
_INTEGERS = {
    "height": 0,
    "width": 0,
    "divisor": 1,
    "max_disparity_px": 0,
    "working_pixels": 0,
    "version": 0,
    "prior_scale": 1,
}
_ADDED = {"prior_scale"}  # keys that a file of this version may lack, which then has the default


@dataclass(frozen=True)
class ModelSpec:
    """Say what a network takes and gives, so that nobody has to guess.

    name: of the model. task: "stereo", "mono" or "pose". inputs, outputs: tensor names, see INPUTS
    and OUTPUTS. height, width: pixels of the tensors, 0 = any multiple of divisor. divisor: pixels,
    sizes must be multiples of it. max_disparity_px: the largest disparity it can answer, 0 = any.
    mean, std: input = (rgb_uint8 - mean) / std. scale_source: where metres come from ("stereo
    baseline", "procedural metric", ...); "none": answers are relative. focal_px: mono and pose
    answer as if the tensor's camera had this fx; metres = answer * fx / focal_px. 0: as is.
    working_pixels: images are resized, aspect kept, until height * width is about this, then
    padded; 0: not resized. value_range: (least, most) canonical depth that is answered, metres; ()
    unknown. pose_direction: "first_T_second" maps points of the second image's camera into the
    first's; "" without a pose. prior_scale: how many times smaller than the images the input
    "prior" is. recipe: JSON of the training. licence, trained_on: for people. version: of this
    contract. Raises SpecError for anything that does not fit.

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
    focal_px: float = 0.0
    working_pixels: int = 0
    value_range: tuple[float, ...] = ()
    pose_direction: str = ""
    recipe: str = ""
    prior_scale: int = 1
    version: int = VERSION

    def __post_init__(self):
        for key in _TEXTS:
            _expect(isinstance(getattr(self, key), str), key, "a text", getattr(self, key))
        for key, least in _INTEGERS.items():
            value = getattr(self, key)
            _expect(type(value) is int and value >= least, key, f"an integer >= {least}", value)
        _expect(self.version == VERSION, "version", VERSION, self.version)
        _expect(self.task in TASKS, "task", f"one of {TASKS}", self.task)
        self._check_names("inputs", INPUTS)
        self._check_names("outputs", OUTPUTS)
        self._check_task()
        self._check_numbers()

    @property
    def is_metric(self) -> bool:
        """False where depth and translation are known up to one factor only, and must never be
        called metres.
        """
        return self.scale_source != RELATIVE

    def focal_ratio(self, fx: float) -> float:
        """Give metres per canonical unit of depth: fx / focal_px, 1 where nothing is normalised.

        fx: pixels of the tensor, which is the focal length of the image after its resize.
        """
        return fx / self.focal_px if self.focal_px else 1.0

    @property
    def is_dynamic(self) -> bool:
        """True where the network takes any size that is a multiple of divisor."""
        return self.height == 0

    def shape(self, name: str, size: tuple[int, int]) -> tuple[int, ...]:
        """Give the shape of an input or output where the images have this (height, width).

        >>> ModelSpec("m", "stereo", ("left", "right"), ("disparity",), 0, 0, prior_scale=2).shape(
        ...     "prior", (64, 96)
        ... )
        (1, 2, 32, 48)
        """
        shape: tuple[Any, ...] = INPUTS.get(name) or OUTPUTS[name]
        scale = self.prior_scale if name == "prior" else 1
        return shape if len(shape) != 4 else (*shape[:2], *(side // scale for side in size))

    def to_json(self) -> str:
        """Write the spec as JSON text, every key in it."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> ModelSpec:
        """Read what to_json wrote; raises SpecError for text, a key or a value that does not
        fit, and names it.
        """
        try:
            values = json.loads(text)
        except (ValueError, TypeError) as error:
            raise SpecError(f"spec: expected JSON, got {str(text)[:60]!r} ({error})") from error
        _expect(isinstance(values, dict), "spec", "a JSON object", type(values).__name__)
        # The version first: a spec of another version may well have other keys, and that is what to
        # say.
        _expect(values.get("version") == VERSION, "version", VERSION, values.get("version"))
        known = {item.name for item in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise SpecError(f"spec: expected keys {sorted(known)}, got unknown {unknown}")
        if missing := sorted(known - set(values) - _ADDED):
            raise SpecError(f"spec: expected keys {sorted(known)}, missing {missing}")
        given: dict[str, Any] = {
            k: tuple(value) if isinstance(value, list) else value for k, value in values.items()
        }
        return cls(**given)

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
        directions = _DIRECTIONS[1:] if self.task == "pose" else _DIRECTIONS[:1]
        named = self.pose_direction in directions
        _expect(
            named, "pose_direction", f"one of {directions} for {self.task}", self.pose_direction
        )

    def _check_numbers(self) -> None:
        """Refuse sizes that contradict each other and a normalisation that cannot be computed."""
        size = f"{self.width}x{self.height}"
        _expect(
            (self.height == 0) == (self.width == 0), "height, width", "both 0 or both fixed", size
        )
        fits = self.height % self.divisor == 0 and self.width % self.divisor == 0
        _expect(fits, "height, width", f"multiples of {self.divisor}", size)
        fits = self.divisor % self.prior_scale == 0
        _expect(fits, "prior_scale", f"a divisor of {self.divisor}", self.prior_scale)
        free = self.is_dynamic or self.working_pixels == 0
        _expect(free, "working_pixels", "0 for a fixed size", self.working_pixels)
        _expect(
            _is_number(self.focal_px) and self.focal_px >= 0,
            "focal_px",
            "pixels >= 0",
            self.focal_px,
        )
        _expect(
            _is_range(self.value_range),
            "value_range",
            "(least, most) metres above 0, or ()",
            self.value_range,
        )
        for key in ("mean", "std"):
            values = getattr(self, key)
            good = isinstance(values, tuple) and len(values) == 3
            good = good and all(_is_number(value) for value in values)
            _expect(good, key, "three finite numbers", values)
        _expect(all(value > 0 for value in self.std), "std", "numbers above 0", self.std)


def _is_number(value) -> bool:
    """True for a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_range(values) -> bool:
    """True for () and for (least, most) with 0 < least < most."""
    if values == ():
        return True
    good = (
        isinstance(values, tuple)
        and len(values) == 2
        and all(_is_number(value) for value in values)
    )
    return good and 0 < values[0] < values[1]


def _expect(condition: bool, key: str, expected, got) -> None:
    """Raise SpecError naming the key unless the condition holds."""
    if not condition:
        raise SpecError(f"spec {key}: expected {expected}, got {got!r}")
