"""A recipe: everything that decides a training, read from YAML; an unknown key is an error, not
a surprise.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import dacite
import yaml

from depth_ros.core.errors import InputError
from depth_ros.files import write_atomic


@dataclass(frozen=True)
class Data:
    """What is trained on.

    reader, path, split: see train.data.read (task stereo: path is a pool of pairs). sizes: (height,
    width) px of the crops, a step uses one of them. offsets: source frames of a sample, in frames
    from the target. stereo: the right image is a source too. augment: zoom, mirror, colours, noise.
    """

    reader: str = "clips"
    path: str = "runs/clips"
    split: str = ""
    sizes: tuple[tuple[int, int], ...] = ((128, 224),)
    offsets: tuple[int, ...] = ()
    stereo: bool = False
    augment: bool = True


@dataclass(frozen=True)
class Network:
    """The depth network. focal_px: of the canonical camera (0: none); left_right: two heads
    (Monodepth); log_sigma: an uncertainty head; prior_scale: of the stereo network, how many times
    smaller the match is that it refines (1: CascadeStereoNet, 2: its coarse stage alone,
    FastStereoNet); freeze_norm: batch statistics stay as loaded; scales: at how many resolutions
    depth is answered and judged, 1: the finest only.
    """

    encoder: str = "efficientnet_lite0"
    pretrained: bool = True
    left_right: bool = False
    log_sigma: bool = False
    min_depth_m: float = 0.3
    max_depth_m: float = 100.0
    focal_px: float = 0.0
    prior_scale: int = 1
    freeze_norm: bool = False
    scales: int = 4


@dataclass(frozen=True)
class Pose:
    """The pose network. encoder: separate, or shared with the depth network; joint: one look at the
    target and all sources (SfMLearner) instead of one pair at a time; explain: predict an
    explainability mask; backbone: of a separate encoder; use: false where poses are given or not
    needed.
    """

    use: bool = False
    encoder: str = "separate"
    backbone: str = "efficientnet_lite0"
    pretrained: bool = True
    joint: bool = False
    explain: bool = False


@dataclass(frozen=True)
class Loss:
    """Weights of the terms (0: not used) and their variants.

    photometric: with alpha of SSIM against 1 - alpha of L1. minimum: over sources, instead of their
    mean. auto_mask: of pixels that no motion explains better. full_resolution: coarse scales are
    judged at full size. smoothness, left_right, explain, silog (with silog_lambda), likelihood: see
    train.losses. pose: supervised, of known motion.
    """

    photometric: float = 0.0
    alpha: float = 0.85
    minimum: bool = True
    auto_mask: bool = True
    full_resolution: bool = True
    smoothness: float = 0.0
    left_right: float = 0.0
    explain: float = 0.0
    silog: float = 0.0
    silog_lambda: float = 0.5
    log_l1: float = 0.0
    likelihood: float = 0.0
    pose: float = 0.0


@dataclass(frozen=True)
class Fit:
    """How it is trained. minutes: budget, the schedule ends with it; steps: instead of minutes
    where above 0.

    batch: samples a step, over all processes. learning_rate: peak. ema: decay of the averaged
    weights. cooldown: share of the budget, at its end, over which the rate falls to 0 along half a
    cosine; before, it stays at its peak, so that a run can be resumed with a larger budget.
    clip_norm: largest norm of the gradient. checkpoint_s, score_s: seconds between checkpoints, and
    between looks at the held-out part. threads: of the CPU. workers: processes that load. compile:
    torch.compile. seed: of everything random.
    """

    minutes: float = 60.0
    steps: int = 0
    batch: int = 8
    learning_rate: float = 3e-4
    weight_decay: float = 1e-4
    ema: float = 0.998
    cooldown: float = 1.0
    clip_norm: float = 10.0
    checkpoint_s: float = 120.0
    score_s: float = 600.0
    threads: int = 1
    workers: int = 1
    compile: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Recipe:
    """A whole recipe. task: depth, pose (of known motion) or stereo."""

    task: str = "depth"
    data: Data = field(default_factory=Data)
    network: Network = field(default_factory=Network)
    pose: Pose = field(default_factory=Pose)
    loss: Loss = field(default_factory=Loss)
    fit: Fit = field(default_factory=Fit)

    def __post_init__(self):
        if self.task not in ("depth", "pose", "stereo"):
            raise InputError(f"recipe task: expected depth, pose or stereo, got {self.task!r}")
        wants_motion = (
            self.task == "depth" and self.loss.photometric > 0 and bool(self.data.offsets)
        )
        if wants_motion and not self.pose.use:
            raise InputError(
                "recipe: expected pose.use with data.offsets, since their motion must come "
                "from somewhere"
            )
        if self.loss.left_right and not (self.network.left_right and self.data.stereo):
            raise InputError(
                "recipe: expected network.left_right and data.stereo for loss.left_right"
            )
        if self.loss.likelihood and not self.network.log_sigma:
            raise InputError("recipe: expected network.log_sigma for loss.likelihood")
        if self.network.prior_scale not in (1, 2):
            raise InputError(
                f"recipe network.prior_scale: expected 1 or 2, got {self.network.prior_scale}"
            )
        if any(side % 32 for size in self.data.sizes for side in size):
            raise InputError(f"recipe data.sizes: expected multiples of 32, got {self.data.sizes}")

    @classmethod
    def load(cls, path: str | Path | None = None, changes: Iterable[str] = ()) -> Recipe:
        """Read a YAML file (None: the defaults) and apply changes of the form section.key=value.

        Raises InputError for text that is no YAML, an unknown key or a value of the wrong type, and
        names it.
        """
        try:
            values = (yaml.safe_load(Path(path).read_text()) if path else None) or {}
            for change in changes:
                _apply(values, change)
        except (OSError, yaml.YAMLError) as error:
            raise InputError(f"recipe {path}: expected readable YAML, got: {error}") from error
        return cls.from_dict(values, str(path or "defaults"))

    @classmethod
    def from_dict(cls, values: dict, name: str = "") -> Recipe:
        """Make a recipe of nested dictionaries; raises InputError naming the key that does not
        fit.
        """
        if not isinstance(values, dict):
            raise InputError(f"recipe {name}: expected sections with keys, got {values!r}")
        try:
            return dacite.from_dict(cls, values, dacite.Config(strict=True, cast=[tuple]))
        except dacite.DaciteError as error:
            raise InputError(
                f"recipe {name}: expected the keys of train.recipe.Recipe, got: {error}"
            ) from error

    def to_json(self) -> str:
        """Write the recipe as one line of JSON, as it goes into a ModelSpec."""
        return json.dumps(asdict(self))

    def save(self, path: Path) -> None:
        """Write the recipe as YAML."""
        text = yaml.safe_dump(json.loads(self.to_json()), sort_keys=False)
        write_atomic(path, text.encode())

    def with_fit(self, **changes) -> Recipe:
        """Return the recipe with changes in its section fit; those that are None are left out."""
        return replace(
            self, fit=replace(self.fit, **{k: v for k, v in changes.items() if v is not None})
        )


def _apply(values: dict, change: str) -> None:
    """Put section.key=value into nested dictionaries; the value is read as YAML."""
    name, equals, text = change.partition("=")
    *sections, key = name.strip().split(".")
    if not equals or not key:
        raise InputError(f"recipe change: expected section.key=value, got {change!r}")
    for section in sections:
        values = values.setdefault(section, {})
    values[key] = yaml.safe_load(text)
