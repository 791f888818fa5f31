"""Explains why nothing comes out.

Pure: a snapshot goes in, sentences come out, the cause that lies deepest first.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from depth_ros.doctor.causes import (
    COMPRESSED_TYPE,
    IDLE,
    JUMPS_BACK,
    name_some,
    recorded_data,
    transport_hint,
)
from depth_ros.nodes.transport import too_large

_STRANGE_AGE_S = 10.0
_FAULTS = {
    "bad_message": "messages cannot be read",
    "bad_stamp": "stamps are refused",
    "bad_image": "images are refused",
    "bad_calibration": "camera_info is refused",
    "size_mismatch": "sizes differ",
    "engine_error": "the engine fails",
    "no_scale": "metres are asked for, but their scale is not known",
    "internal_error": "a fault inside the node",
}
_UNREADABLE = ("bad_message", "bad_stamp", "bad_image")


@dataclass(frozen=True)
class Stream:
    """One subscription as seen from here. received: messages since the last output. conflict: why
    QoS fails.

    similar_topics: others of its type. parameter: that names its topic. transports: {topic: type}
    of what else image_transport makes of it, where nobody publishes it as it is asked for.
    """

    name: str
    topic: str
    type_name: str
    qos: str
    publishers: int
    received: int
    other_types: tuple[str, ...] = ()
    conflict: str | None = None
    similar_topics: tuple[str, ...] = ()
    parameter: str = ""
    transports: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Snapshot:
    """The state of the node since its last output. Times in seconds or integer nanoseconds of the
    node's clock.

    waited_s: since the first pair that somebody wanted; None: as long as silent_s. lag: the stream
    that arrives last, and by how much (StampMatcher.lag). wait_ns: for how long it is waited for.
    """

    silent_s: float
    streams: tuple[Stream, ...]
    pairs: int = 0
    waited_s: float | None = None
    drops: dict[str, int] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    closest_gap_ns: int | None = None
    tolerance_ns: int = 0
    lag: tuple[str, int] = ("", 0)
    wait_ns: int = 0
    use_sim_time: bool = False
    clock_ns: int = 1
    last_stamp_ns: int | None = None
    subscribers: int = 1
    unmet: tuple[str, ...] = ()


def explain(snapshot: Snapshot) -> list[str]:
    """Name the reasons why there is no output; never empty.

    >>> explain(
    ...     Snapshot(
    ...         5.0,
    ...         (Stream("left image", "/left", "Image", "best effort", publishers=0, received=0),),
    ...     )
    ... )
    ['no publisher on /left (left image; subscribed as Image, best effort)']
    """
    found = []
    for stream in snapshot.streams:
        found += _of_stream(stream, snapshot)
    found += _of_clock(snapshot)
    found += _of_pairing(snapshot)
    found += _of_drops(snapshot)
    if snapshot.subscribers == 0:
        found.append(IDLE)
        found += snapshot.unmet
    wanted = snapshot.pairs - snapshot.drops.get("no_subscriber", 0)
    if not found and wanted > 0:
        waited_s = snapshot.waited_s
        if waited_s is None:
            waited_s = snapshot.silent_s
        found.append(f"the engine has not answered for {waited_s:.0f} s: {wanted} pairs came in")
    return found or [
        f"no cause found: {snapshot.silent_s:.0f} s without output, {snapshot.pairs} pairs came in"
    ]


def _of_stream(stream: Stream, snapshot: Snapshot) -> list[str]:
    """Why one subscription receives nothing."""
    what = f"{stream.topic} ({stream.name}; subscribed as {stream.type_name}, {stream.qos})"
    if stream.other_types:
        cure = ""
        if stream.topic.endswith("/compressed") and COMPRESSED_TYPE in stream.other_types:
            base = stream.topic.removesuffix("/compressed")
            cure = f" set image_transport: compressed and {stream.parameter}: {base}"
        return [
            f"{what}: it is published as {name_some(stream.other_types)}: image_transport raw "
            f"or compressed?{cure}"
        ]
    if stream.conflict:
        return [
            f"{what}: a publisher offers an incompatible QoS ({stream.conflict}): set "
            f"qos_overrides.{stream.topic}"
        ]
    if not stream.publishers:
        hint = transport_hint(stream.topic, stream.type_name, stream.transports, stream.parameter)
        if not hint and stream.similar_topics:
            cure = f": set {stream.parameter}, or remap" if stream.parameter else ""
            hint = f"the same type is published on {name_some(stream.similar_topics)}{cure}"
        return [f"no publisher on {what}{hint and '; ' + hint}"]
    if stream.received:
        return []
    cure = _cure_of_nothing(stream, snapshot)
    return [f"no message on {what}, although it has {stream.publishers} publisher(s){cure}"]


def _cure_of_nothing(stream: Stream, snapshot: Snapshot) -> str:
    """What may help where images arrive without camera_info, or the other way round."""
    is_image = "image" in stream.name
    others = [other for other in snapshot.streams if ("image" in other.name) != is_image]
    if not any(other.received for other in others):
        return ""
    if is_image:
        return f"; camera_info arrives but no image does: {too_large()}"
    return (
        "; images arrive but no camera_info does: sent once, before? set durability and "
        f"reliability in qos_overrides.{stream.topic}"
    )


def _of_clock(snapshot: Snapshot) -> list[str]:
    """What is wrong with time."""
    if snapshot.use_sim_time and snapshot.clock_ns == 0:
        return ["use_sim_time is true but nothing arrives on /clock: the node's time stands at 0"]
    found = []
    if snapshot.drops.get("time_jump"):
        found.append(JUMPS_BACK)
    if snapshot.last_stamp_ns is not None:
        age_s = (snapshot.clock_ns - snapshot.last_stamp_ns) / 1e9
        if abs(age_s) > _STRANGE_AGE_S:
            found.append(recorded_data(age_s, snapshot.use_sim_time))
    return found


def _of_pairing(snapshot: Snapshot) -> list[str]:
    """Why images do not become pairs."""
    images = [stream for stream in snapshot.streams if "image" in stream.name]
    if snapshot.pairs or not images or not all(stream.received for stream in images):
        return []
    reversed_ = snapshot.drops.get("stamp_reversed", 0)
    repeated = snapshot.drops.get("duplicate_stamp", 0)
    if reversed_ or repeated:
        return [f"stamps do not advance: {reversed_} went back, {repeated} repeated"]
    if len(images) == 1:
        return []
    if snapshot.drops.get("late"):
        stream, lag_ns = snapshot.lag
        late = f"{stream} images arrive {lag_ns / 1e9:.3f} s after the others of the same stamp"
        bound = f"sync_wait_s = {snapshot.wait_ns / 1e9:g} is how long they are waited for"
        if lag_ns < snapshot.wait_ns:
            bound = "256 MiB of the others is all that waits for them"
        return [f"{late} (a slow link, or a clock that is behind), {bound}: find what delays them"]
    if snapshot.closest_gap_ns is None and any(snapshot.drops.get(cause) for cause in _UNREADABLE):
        return []  # one side has no image that can be used, and that is said
    gap = ""
    if snapshot.closest_gap_ns is not None:
        gap = f"; the closest differ by {snapshot.closest_gap_ns / 1e9:.6f} s"
    window = f"sync_tolerance_s = {snapshot.tolerance_ns / 1e9:g}"
    return [
        f"left and right stamps never meet within {window}{gap}: are the cameras triggered "
        "together?"
    ]


def _of_drops(snapshot: Snapshot) -> list[str]:
    """Why pairs are refused."""
    found = []
    if snapshot.drops.get("no_camera_info"):
        text = snapshot.texts.get("no_camera_info") or "one is missing"
        found.append(f"no camera_info: images arrive, {text}")
    for cause, meaning in _FAULTS.items():
        if snapshot.drops.get(cause):
            found.append(
                f"{meaning} ({cause}, {snapshot.drops[cause]} times): "
                f"{snapshot.texts.get(cause, '')}"
            )
    return found
