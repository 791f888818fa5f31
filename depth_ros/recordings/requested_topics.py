"""What the user wants to be read of a recording, and what is read.

Imports nothing: the command line needs it.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Asked:
    """What the user wants to be read; "" where the recording decides.

    camera: namespace of the images. image: of one camera. left_image, right_image: of a pair.
    truth: ground-truth depth. depth: recorded depth, for ego-motion.
    """

    camera: str = ""
    image: str = ""
    left_image: str = ""
    right_image: str = ""
    truth: str = ""
    depth: str = ""


@dataclass(frozen=True)
class Topics:
    """The topics that are read of a recording.

    images, infos: by side, {"left", "right"} or {""}. rectified: what the images are by their
    names. compressed: CompressedImage. truth_depth, truth_odometry, depth: or None. others: the
    cameras that were there too, and the depth topics that are not used, in words.
    """

    images: dict[str, str]
    infos: dict[str, str]
    rectified: bool
    compressed: bool
    truth_depth: str | None = None
    truth_odometry: str | None = None
    depth: str | None = None
    others: tuple[str, ...] = field(default=())

    @property
    def mode(self) -> str:
        """ "stereo" or "mono"."""
        return "stereo" if len(self.images) == 2 else "mono"

    def sentence(self) -> str:
        """Say what was chosen, and what else was there."""
        pairs = [f"{self.images[side]} with {self.infos[side]}" for side in self.images]
        words = f"{'a pair' if self.mode == 'stereo' else 'one camera'}: {', '.join(pairs)}"
        used = {
            "ground truth": self.truth_depth,
            "true poses": self.truth_odometry,
            "depth for ego-motion": self.depth,
        }
        known = [f"{name}: {topic}" for name, topic in used.items() if topic is not None]
        return "; ".join([words, *known, *self.others])

    def to_json(self) -> dict:
        """The same for report.json."""
        named = {
            "truth_depth": self.truth_depth,
            "truth_odometry": self.truth_odometry,
            "depth": self.depth,
        }
        images = {f"{side}_image".lstrip("_"): topic for side, topic in self.images.items()}
        infos = {f"{side}_camera_info".lstrip("_"): topic for side, topic in self.infos.items()}
        known = {key: topic for key, topic in named.items() if topic is not None}
        return {**images, **infos, **known, "others": list(self.others)}
