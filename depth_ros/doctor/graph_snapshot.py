"""What was seen of a running graph: its node, its topics, what came. No ROS."""

from __future__ import annotations

from dataclasses import dataclass, field

from depth_ros.core.camera import Calibration
from depth_ros.core.types import Frame
from depth_ros.doctor.checks import ImageFact


@dataclass
class Stream:
    """One topic: who publishes it, and what came while it was listened to.

    name: "left image", "camera_info". kind: the type that is expected. parameter: of depth_node,
    that names the topic. publishers: the nodes that offer it. similar: topics on which the same
    type is published. transports: {topic: type} of what image_transport makes of it, where nobody
    publishes it as expected. conflicts: who hears nothing on it because of QoS. arrivals_s, stamps
    (nanoseconds) and ages_s of every message. facts: of some images; infos: (frame_id, Calibration)
    of camera_info. grey_ranges: the values that some 16-bit images use.
    """

    name: str
    topic: str
    kind: str
    publishers: list[str] = field(default_factory=list)
    other_types: list[str] = field(default_factory=list)
    similar: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    arrivals_s: list[float] = field(default_factory=list)
    stamps: list[int] = field(default_factory=list)
    ages_s: list[float] = field(default_factory=list)
    facts: list[ImageFact] = field(default_factory=list)
    infos: list[tuple[str, Calibration]] = field(default_factory=list)
    grey_ranges: list[tuple[int, int]] = field(default_factory=list)
    parameter: str = ""
    transports: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    @property
    def rate_hz(self) -> float:
        """Messages a second while they came; 0 for fewer than two."""
        span_s = self.arrivals_s[-1] - self.arrivals_s[0] if len(self.arrivals_s) > 1 else 0.0
        return (len(self.arrivals_s) - 1) / span_s if span_s > 0 else 0.0


@dataclass
class Node:
    """The depth_node: its lifecycle state ("" = no answer), parameters, and what it says in
    /diagnostics.

    status: (level as in diagnostic_msgs: 0 ok, 1 warning, 2 error, message) or None. others:
    depth_nodes beside it. conflicts: subscribers of its outputs that hear nothing because of QoS.
    """

    name: str
    state: str = ""
    parameters: dict = field(default_factory=dict)
    status: tuple[int, str] | None = None
    others: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)


@dataclass
class Look:
    """What was seen in seconds. sides: ("left", "right") or ("",). frames: rectified pairs.
    clock_publishers: a number.

    parents: of each TF child; None where TF cannot be read here. tf_missing: (base_frame, camera
    frame) that no transform joins, or None. profile_variable: by which the Fast DDS of this machine
    finds its profile.
    """

    seconds: float
    where: str
    sides: tuple[str, ...]
    streams: dict[str, Stream]
    node: Node | None = None
    nodes: list[str] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    clock_publishers: int = 0
    parents: dict[str, set[str]] | None = None
    tf_missing: tuple[str, str] | None = None
    profile_variable: str = "FASTDDS_DEFAULT_PROFILES_FILE"

    def stream(self, side: str, what: str) -> Stream:
        """The stream of a side: what is "image" or "camera_info"."""
        return self.streams[f"{side} {what}".strip()]
