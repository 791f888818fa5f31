"""What is wrong in a running graph, from what was seen of it: the live doctor without ROS."""

from __future__ import annotations

import numpy as np

from depth_ros.core.grey_range import describe_range
from depth_ros.doctor.graph_snapshot import Look, Stream

from .causes import IDLE, NO_FRAME_ID, too_large, transport_hint
from .checks import (
    OK,
    PROBLEM,
    WARNING,
    Finding,
    examine_calibrations,
    examine_camera,
    examine_frames,
    examine_images,
    examine_pair,
    examine_pairing,
    examine_stamps,
)

_OLD_S, _LATE_S, _EARLY_S = 10.0, 1.0, -0.5
_LOST = 0.7  # of the camera_infos that came with images: fewer images than that are lost on the way
_OTHER_RATE = 0.8
_LAG_S = 0.15
_NEXT = {"unconfigured": "configure", "inactive": "activate"}


def examine_graph(look: Look) -> list[Finding]:
    """Name every cause of silence or wrong depth with its cure, the deepest first."""
    findings = _of_node(look) + _of_clock(look)
    if look.node is None and not any(
        s.publishers or s.similar or s.other_types for s in look.streams.values()
    ):
        return [
            *findings,
            Finding(PROBLEM, look.where, "and nobody publishes images: start the camera"),
        ]
    for side in look.sides:
        image, info = look.stream(side, "image"), look.stream(side, "camera_info")
        findings += _of_stream(image, look, partner=info) + _of_stream(info, look)
        if image.facts:
            findings += examine_stamps(image.topic, image.stamps) + _of_age(image, look)
            findings += examine_images(image.topic, image.facts) + _of_greys(image)
        for stream in (image, info):
            findings += [
                Finding(PROBLEM, stream.topic, words) for words in dict.fromkeys(stream.errors)
            ]
        if info.infos:
            findings += examine_calibrations(
                info.topic, info.infos, image.facts
            ) + _of_rectification(image, info, look)
        if info.infos:
            rectified = not (
                look.node.parameters.get("rectify") if look.node else "raw" in image.topic
            )
            findings += examine_camera(info.topic, info.infos[-1][1], rectified)
    if len(look.sides) == 2:
        findings += _of_pair(look)
    findings += _of_tf(look)
    if look.node is not None and look.node.status is not None:
        level, words = look.node.status
        idle = words.startswith(IDLE)  # the deepest cause stands first: nothing else is wrong
        if level or idle:
            kind = PROBLEM if level > 1 and not idle else WARNING
            findings.append(Finding(kind, look.node.name, f"/diagnostics says: {words}"))
    return findings


def _of_node(look: Look) -> list[Finding]:
    """The depth_node itself."""
    node = look.node
    if node is None:
        seen = ", ".join(look.nodes) or "none"
        words = (
            f"no depth_node runs here (nodes seen: {seen}): start it, or check ROS_DOMAIN_ID "
            "and --namespace"
        )
        return [Finding(PROBLEM, look.where, words)]
    findings = [Finding(PROBLEM, node.name, words) for words in node.conflicts]
    if same := node.others.count(node.name):
        words = (
            f"{same + 1} nodes have this name, their outputs mix: stop one (a killed one is "
            "seen for some seconds)"
        )
        findings.append(Finding(PROBLEM, node.name, words))
    elif node.others:
        findings.append(
            Finding(
                WARNING,
                node.name,
                f"there are more: {', '.join(node.others)}: choose by --namespace",
            )
        )
    if not node.state:
        findings.append(
            Finding(PROBLEM, node.name, "it does not answer: it hangs, or the machine is too busy")
        )
    elif node.state != "active":
        cure = (
            f": ros2 lifecycle set {node.name} {_NEXT[node.state]}" if node.state in _NEXT else ""
        )
        findings.append(
            Finding(
                PROBLEM,
                node.name,
                f"its lifecycle state is {node.state}, it works only active{cure}",
            )
        )
    return findings


def _of_clock(look: Look) -> list[Finding]:
    """Simulated time without a clock, or a clock that nobody reads."""
    if look.node is None:
        return []
    uses = look.node.parameters.get("use_sim_time", False)
    if uses and not look.clock_publishers:
        words = (
            "use_sim_time is true but nothing publishes /clock: play with --clock, or set "
            "use_sim_time false"
        )
        return [Finding(PROBLEM, look.node.name, words)]
    if look.clock_publishers and not uses:
        return [Finding(WARNING, look.node.name, "/clock is published but use_sim_time is false")]
    return []


def _of_stream(stream: Stream, look: Look, partner: Stream | None = None) -> list[Finding]:
    """Who publishes a topic, whether it arrives; partner: the camera_info that comes with an
    image.
    """
    topic, found = (
        stream.topic,
        [Finding(PROBLEM, stream.topic, words) for words in stream.conflicts],
    )
    if not stream.publishers:
        if stream.other_types:
            words = (
                f"published as {', '.join(stream.other_types)}, expected {stream.kind}: "
                "image_transport raw or "
            )
            return [Finding(PROBLEM, topic, words + "compressed?")]
        hint = transport_hint(topic, stream.kind, stream.transports, stream.parameter)
        near = (
            f"; the same type is on {', '.join(stream.similar)}: remap"
            if stream.similar
            else ": start the camera"
        )
        near = f"; {hint}" if hint else near
        return [Finding(PROBLEM, topic, f"no publisher of {stream.kind}{near}")]
    if len(stream.publishers) > 1:
        words = (
            f"{len(stream.publishers)} publishers ({', '.join(stream.publishers)}): their "
            "messages mix; stop one"
        )
        found.append(Finding(PROBLEM, topic, words))
    came, infos = len(stream.arrivals_s), 0
    if partner:  # those that came since the first image did
        infos = sum(t >= (stream.arrivals_s or [0.0])[0] for t in partner.arrivals_s)
    if not came:
        why = (
            f"; its camera_info does: {too_large(look.profile_variable)}"
            if infos
            else ": is the driver running?"
        )
        words = (
            f"{', '.join(stream.publishers)} publishes it, but nothing arrived in "
            f"{look.seconds:.0f} s{why}"
        )
        found.append(Finding(PROBLEM, topic, words))
    elif infos > 5 and came < _LOST * infos:
        words = (
            f"{came} images came with {infos} camera_infos: the others are lost on the way, "
            f"{too_large(look.profile_variable)}"
        )
        found.append(Finding(PROBLEM, topic, words))
    elif not found and partner and not all(fact.error for fact in stream.facts):
        sizes = {fact.size for fact in stream.facts}
        shown = ", ".join(f"{w}x{h}" for w, h in sorted(sizes))
        words = f"{stream.rate_hz:.1f} Hz, {shown}, {_age(stream) * 1e3:.0f} ms old on arrival"
        found.append(Finding(OK, topic, words))
    return found


def _age(stream: Stream) -> float:
    """Seconds from the stamps to the arrival, the median."""
    return float(np.median(stream.ages_s))


def _of_rectification(image: Stream, info: Stream, look: Look) -> list[Finding]:
    """Lens distortion that nobody takes out, or that is taken out twice; the topic's name says
    what the images are.
    """
    if look.node is None or not any(info.infos[-1][1].D):
        return []
    name, rectifies = image.topic.rsplit("/", 1)[-1], bool(look.node.parameters.get("rectify"))
    if "raw" in name and not rectifies:  # image_rect_raw has no D
        words = (
            "raw images by their name, D of camera_info is not zero, and rectify is false: set "
            "rectify:=true"
        )
        return [Finding(WARNING, image.topic, words)]
    if "rect" in name and "raw" not in name and rectifies:
        return [
            Finding(
                WARNING,
                image.topic,
                "rectified images by their name, and rectify is true: done twice?",
            )
        ]
    return []


def _of_age(stream: Stream, look: Look) -> list[Finding]:
    """Stamps that do not fit the clock."""
    age_s = _age(stream)
    if abs(age_s) > _OLD_S:
        words = (
            f"stamps are {age_s:.1f} s behind the clock: recorded data? play with --clock and "
            "set use_sim_time"
        )
        return [Finding(PROBLEM, stream.topic, words)]
    if age_s > _LATE_S or age_s < _EARLY_S:
        words = (
            f"stamps are {age_s:.2f} s behind the clock: clocks of two machines not "
            "synchronised, or a slow driver?"
        )
        return [Finding(WARNING, stream.topic, words)]
    return []


def _of_pair(look: Look) -> list[Finding]:
    """Left and right together."""
    images, infos = (
        {side: look.stream(side, what) for side in look.sides} for what in ("image", "camera_info")
    )
    parameters = look.node.parameters if look.node else {}
    findings = []
    if all(stream.infos for stream in infos.values()) or all(
        stream.facts for stream in images.values()
    ):
        findings += examine_pair(
            {side: infos[side].infos for side in look.sides},
            {side: images[side].facts for side in look.sides},
            not parameters.get("rectify", False),
        )
    if all(stream.stamps for stream in images.values()):
        tolerance_ns = round(parameters.get("sync_tolerance_s", 0.0) * 1e9)
        findings += examine_pairing(_in_common(images), tolerance_ns, "sync_tolerance_s:=")
        findings += _of_lag(images)
        slow, fast = sorted(stream.rate_hz for stream in images.values())
        if slow < _OTHER_RATE * fast:
            findings.append(
                Finding(WARNING, "left, right", f"rates differ: {slow:.1f} and {fast:.1f} Hz")
            )
    findings += [Finding(PROBLEM, "left, right", words) for words in dict.fromkeys(look.refused)]
    if look.frames and not any(finding.level == PROBLEM for finding in findings):
        findings += examine_frames(look.frames, f"left, right, {len(look.frames)} pairs")
    return findings


def _of_greys(image: Stream) -> list[Finding]:
    """16-bit images that do not fill 16 bits."""
    if not image.grey_ranges:
        return []
    low, high = min(low for low, _ in image.grey_ranges), max(high for _, high in image.grey_ranges)
    words = describe_range(low, high)
    return (
        [Finding(OK, image.topic, f"{words}; depth_node scales by them (grey_bits)")]
        if words
        else []
    )


def _of_lag(images: dict[str, Stream]) -> list[Finding]:
    """One side that arrives later than the other, with the same stamps."""
    left, right = ({t: at for t, at in zip(s.stamps, s.arrivals_s)} for s in images.values())
    later_s = [right[t] - left[t] for t in left.keys() & right.keys()]
    if not later_s or abs(lag_s := float(np.median(later_s))) < _LAG_S:
        return []
    late, early = ("right", "left") if lag_s > 0 else ("left", "right")
    words = (
        f"{late} images arrive {abs(lag_s):.2f} s after the {early} ones of the same stamp: a "
        "slow link or driver?"
    )
    return [Finding(WARNING, "left, right", words)]


def _in_common(images: dict[str, Stream]) -> dict[str, list[int]]:
    """The stamps of the time in which both sides were heard; all of them where there is no such
    time.
    """
    low, high = (
        max(min(s.stamps) for s in images.values()),
        min(max(s.stamps) for s in images.values()),
    )
    inside = {side: [t for t in s.stamps if low <= t <= high] for side, s in images.items()}
    return inside if all(inside.values()) else {side: s.stamps for side, s in images.items()}


def _of_slashes(look: Look) -> list[Finding]:
    """Frames that tf2 refuses."""
    found = []
    for stream in look.streams.values():
        frames = {fact.frame_id for fact in stream.facts} | {frame for frame, _ in stream.infos}
        for frame in sorted(frame for frame in frames if frame.startswith("/")):
            words = (
                f"frame_id {frame!r} begins with a slash, which tf2 refuses: depth_node "
                "publishes without it"
            )
            found.append(Finding(WARNING, stream.topic, f"{words}; correct it in the driver"))
    return found


def _of_tf(look: Look) -> list[Finding]:
    """Frames of the images, and how they hang together."""
    if any(not fact.frame_id for side in look.sides for fact in look.stream(side, "image").facts):
        return [Finding(PROBLEM, look.stream(look.sides[0], "image").topic, NO_FRAME_ID)]
    findings = _of_slashes(look)
    for child, parents in (look.parents or {}).items():
        if len(parents) > 1:
            words = (
                f"{child} has {len(parents)} parents ({', '.join(sorted(parents))}): stop one "
                "of the publishers"
            )
            findings.append(Finding(PROBLEM, "/tf", words))
    if look.tf_missing is not None:
        base, camera = look.tf_missing
        why = (
            ""
            if look.parents is not None
            else " (tf2_msgs is not installed here, so nothing could be read)"
        )
        words = (
            f"no transform from {base} to {camera}{why}: odom stays that of the camera; set "
            "base_T_camera, or "
        )
        findings.append(Finding(WARNING, "/tf_static", words + "publish it on /tf_static"))
    return findings
