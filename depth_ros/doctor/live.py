"""What is wrong in a running graph, from a snapshot of it: the live doctor without ROS."""

from __future__ import annotations

from .causes import IDLE, NO_FRAME_ID
from .checks import (
    PROBLEM,
    WARNING,
    Finding,
    examine_calibrations,
    examine_camera,
    examine_grey_range,
    examine_images,
    examine_stamps,
)
from .graph_snapshot import Look
from .live_cameras import (
    examine_age,
    examine_live_pair,
    examine_rectification,
    examine_stream,
)

_TRANSITIONS = {"unconfigured": "configure", "inactive": "activate"}


def examine_graph(look: Look) -> list[Finding]:
    """Name every cause of silence or wrong depth with its cure, the deepest first.

    Args:
        look: What was seen of the node, its topics and TF.

    Returns:
        Findings of every level; a graph without a fault has only such of level ok.
    """
    findings = _of_node(look) + _of_clock(look)
    if look.node is None and not _is_any_camera_there(look):
        words = "and nobody publishes images: start the camera"
        return [*findings, Finding(PROBLEM, look.where, words)]
    for side in look.sides:
        findings += _of_camera(side, look)
    if len(look.sides) == 2:
        findings += examine_live_pair(look)
    return findings + _of_tf(look) + _of_diagnostics(look)


def _is_any_camera_there(look: Look) -> bool:
    """True where something publishes images, under whatever name or type."""
    return any(
        stream.publishers or stream.similar or stream.other_types
        for stream in look.streams.values()
    )


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
    same_name = node.others.count(node.name)
    if same_name:
        words = (
            f"{same_name + 1} nodes have this name, their outputs mix: stop one (a killed one is "
            "seen for some seconds)"
        )
        findings.append(Finding(PROBLEM, node.name, words))
    elif node.others:
        words = f"there are more: {', '.join(node.others)}: choose by --namespace"
        findings.append(Finding(WARNING, node.name, words))
    if not node.state:
        words = "it does not answer: it hangs, or the machine is too busy"
        findings.append(Finding(PROBLEM, node.name, words))
    elif node.state != "active":
        cure = ""
        if node.state in _TRANSITIONS:
            cure = f": ros2 lifecycle set {node.name} {_TRANSITIONS[node.state]}"
        words = f"its lifecycle state is {node.state}, it works only active{cure}"
        findings.append(Finding(PROBLEM, node.name, words))
    return findings


def _of_clock(look: Look) -> list[Finding]:
    """Simulated time without a clock, or a clock that nobody reads."""
    if look.node is None:
        return []
    uses_sim_time = look.node.parameters.get("use_sim_time", False)
    if uses_sim_time and not look.clock_publishers:
        words = (
            "use_sim_time is true but nothing publishes /clock: play with --clock, or set "
            "use_sim_time false"
        )
        return [Finding(PROBLEM, look.node.name, words)]
    if look.clock_publishers and not uses_sim_time:
        return [Finding(WARNING, look.node.name, "/clock is published but use_sim_time is false")]
    return []


def _of_camera(side: str, look: Look) -> list[Finding]:
    """The images of one side and their camera_info."""
    image = look.stream(side, "image")
    info = look.stream(side, "camera_info")
    findings = examine_stream(image, look, partner=info) + examine_stream(info, look)
    parameters = look.node.parameters if look.node else {}
    if image.facts:
        findings += examine_stamps(image.topic, image.stamps)
        findings += examine_age(image, bool(parameters.get("use_sim_time")))
        findings += examine_images(image.topic, image.facts)
        findings += examine_grey_range(image.topic, image.facts)
    for stream in (image, info):
        errors = dict.fromkeys(stream.errors)
        findings += [Finding(PROBLEM, stream.topic, words) for words in errors]
    if info.infos:
        findings += examine_calibrations(info.topic, info.infos, image.facts)
        findings += examine_rectification(image, info, look)
        is_raw = parameters.get("rectify") if look.node else "raw" in image.topic
        findings += examine_camera(info.topic, info.infos[-1][1], not is_raw)
    return findings


def _of_diagnostics(look: Look) -> list[Finding]:
    """What the node reports itself; last, since the deepest cause stands first."""
    node = look.node
    if node is None or node.status is None:
        return []
    level, words = node.status
    is_idle = words.startswith(IDLE)
    if not level and not is_idle:
        return []
    kind = PROBLEM if level > 1 and not is_idle else WARNING
    return [Finding(kind, node.name, f"/diagnostics says: {words}")]


def _of_tf(look: Look) -> list[Finding]:
    """Frames of the images, and the transforms between them."""
    images = [look.stream(side, "image") for side in look.sides]
    if any(not fact.frame_id for image in images for fact in image.facts):
        return [Finding(PROBLEM, images[0].topic, NO_FRAME_ID)]
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
        unread = ""
        if look.parents is None:
            unread = " (tf2_msgs is not installed here, so nothing could be read)"
        words = (
            f"no transform from {base} to {camera}{unread}: odom stays that of the camera; set "
            "base_T_camera, or publish it on /tf_static"
        )
        findings.append(Finding(WARNING, "/tf_static", words))
    return findings


def _of_slashes(look: Look) -> list[Finding]:
    """Frames that tf2 refuses."""
    findings = []
    for stream in look.streams.values():
        frames = {fact.frame_id for fact in stream.facts}
        frames |= {frame for frame, _ in stream.infos}
        for frame in sorted(frame for frame in frames if frame.startswith("/")):
            words = (
                f"frame_id {frame!r} begins with a slash, which tf2 refuses: depth_node "
                "publishes without it; correct it in the driver"
            )
            findings.append(Finding(WARNING, stream.topic, words))
    return findings
