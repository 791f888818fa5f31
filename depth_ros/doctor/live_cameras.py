"""What is wrong with the cameras of a running graph: who publishes, what arrives, how old it is,
and whether left and right fit each other.
"""

from __future__ import annotations

import numpy as np

from .causes import recorded_data, too_large, transport_hint
from .checks import OK, PROBLEM, WARNING, Finding
from .graph_snapshot import Look, Stream
from .pair_checks import examine_frames, examine_pair, examine_pairing

_OLD_S = 10.0
_LATE_S = 1.0
_EARLY_S = -0.5
_LOST = 0.7  # of the camera_infos that came with images: fewer images than that are lost on the way
_LEAST_INFOS = 5  # before that a share says nothing
_OTHER_RATE = 0.8
_LAG_S = 0.15
_PAIR = "left, right"


def examine_stream(stream: Stream, look: Look, partner: Stream | None = None) -> list[Finding]:
    """Find out who publishes a topic, and whether it arrives.

    Args:
        stream: The topic.
        look: What else was seen.
        partner: The camera_info that comes with an image; None for a camera_info.
    """
    topic = stream.topic
    findings = [Finding(PROBLEM, topic, words) for words in stream.conflicts]
    if not stream.publishers:
        return [Finding(PROBLEM, topic, _without_publisher(stream))]
    if len(stream.publishers) > 1:
        words = (
            f"{len(stream.publishers)} publishers ({', '.join(stream.publishers)}): their "
            "messages mix; stop one"
        )
        findings.append(Finding(PROBLEM, topic, words))
    came = len(stream.arrivals_s)
    infos = _infos_since_the_first(stream, partner)
    hint = too_large(look.profile_variable)
    if not came:
        why = f"; its camera_info does: {hint}" if infos else ": is the driver running?"
        words = (
            f"{', '.join(stream.publishers)} publishes it, but nothing arrived in "
            f"{look.seconds:.0f} s{why}"
        )
        findings.append(Finding(PROBLEM, topic, words))
    elif infos > _LEAST_INFOS and came < _LOST * infos:
        words = (
            f"{came} images came with {infos} camera_infos: the others are lost on the way, {hint}"
        )
        findings.append(Finding(PROBLEM, topic, words))
    elif not findings and partner and not all(fact.error for fact in stream.facts):
        sizes = sorted({fact.size for fact in stream.facts})
        shown = ", ".join(f"{width}x{height}" for width, height in sizes)
        age_ms = 1e3 * _median_age_s(stream)
        words = f"{stream.rate_hz:.1f} Hz, {shown}, {age_ms:.0f} ms old on arrival"
        findings.append(Finding(OK, topic, words))
    return findings


def examine_age(stream: Stream, uses_sim_time: bool) -> list[Finding]:
    """Find stamps that do not fit the clock."""
    age_s = _median_age_s(stream)
    if abs(age_s) > _OLD_S:
        return [Finding(PROBLEM, stream.topic, recorded_data(age_s, uses_sim_time))]
    if _EARLY_S <= age_s <= _LATE_S:
        return []
    words = (
        f"stamps are {age_s:.2f} s behind the clock: clocks of two machines not "
        "synchronised, or a slow driver?"
    )
    return [Finding(WARNING, stream.topic, words)]


def examine_rectification(image: Stream, info: Stream, look: Look) -> list[Finding]:
    """Find lens distortion that nobody takes out, or that is taken out twice.

    What the images are is what the name of their topic says: image_rect_raw has no D.
    """
    if look.node is None or not any(info.infos[-1][1].D):
        return []
    name = image.topic.rsplit("/", 1)[-1]
    rectifies = bool(look.node.parameters.get("rectify"))
    is_raw = "raw" in name
    if is_raw and not rectifies:
        words = (
            "raw images by their name, D of camera_info is not zero, and rectify is false: set "
            "rectify:=true"
        )
        return [Finding(WARNING, image.topic, words)]
    if "rect" in name and not is_raw and rectifies:
        words = "rectified images by their name, and rectify is true: done twice?"
        return [Finding(WARNING, image.topic, words)]
    return []


def examine_live_pair(look: Look) -> list[Finding]:
    """Find what does not fit between left and right."""
    images = {side: look.stream(side, "image") for side in look.sides}
    infos = {side: look.stream(side, "camera_info") for side in look.sides}
    parameters = look.node.parameters if look.node else {}
    findings = []
    have_infos = all(stream.infos for stream in infos.values())
    have_images = all(stream.facts for stream in images.values())
    if have_infos or have_images:
        calibrations = {side: stream.infos for side, stream in infos.items()}
        facts = {side: stream.facts for side, stream in images.items()}
        findings += examine_pair(calibrations, facts, not parameters.get("rectify", False))
    if all(stream.stamps for stream in images.values()):
        tolerance_ns = round(parameters.get("sync_tolerance_s", 0.0) * 1e9)
        findings += examine_pairing(_common_stamps(images), tolerance_ns, "sync_tolerance_s:=")
        findings += _examine_lag(images)
        slow, fast = sorted(stream.rate_hz for stream in images.values())
        if slow < _OTHER_RATE * fast:
            findings.append(Finding(WARNING, _PAIR, f"rates differ: {slow:.1f} and {fast:.1f} Hz"))
    findings += [Finding(PROBLEM, _PAIR, words) for words in dict.fromkeys(look.refused)]
    if look.frames and not any(finding.level == PROBLEM for finding in findings):
        findings += examine_frames(look.frames, f"{_PAIR}, {len(look.frames)} pairs")
    return findings


def _without_publisher(stream: Stream) -> str:
    """Why a topic that is expected has no publisher."""
    if stream.other_types:
        return (
            f"published as {', '.join(stream.other_types)}, expected {stream.kind}: "
            "image_transport raw or compressed?"
        )
    hint = transport_hint(stream.topic, stream.kind, stream.transports, stream.parameter)
    if hint:
        cure = f"; {hint}"
    elif stream.similar:
        cure = f"; the same type is on {', '.join(stream.similar)}: remap"
    else:
        cure = ": start the camera"
    return f"no publisher of {stream.kind}{cure}"


def _infos_since_the_first(stream: Stream, partner: Stream | None) -> int:
    """How many camera_infos came since the first image did."""
    if partner is None:
        return 0
    first_s = stream.arrivals_s[0] if stream.arrivals_s else 0.0
    return sum(arrival_s >= first_s for arrival_s in partner.arrivals_s)


def _median_age_s(stream: Stream) -> float:
    """Seconds from the stamps to the arrival, the median."""
    return float(np.median(stream.ages_s))


def _examine_lag(images: dict[str, Stream]) -> list[Finding]:
    """One side that arrives later than the other, with the same stamps."""
    left = dict(zip(images["left"].stamps, images["left"].arrivals_s))
    right = dict(zip(images["right"].stamps, images["right"].arrivals_s))
    later_s = [right[stamp] - left[stamp] for stamp in left.keys() & right.keys()]
    if not later_s:
        return []
    lag_s = float(np.median(later_s))
    if abs(lag_s) < _LAG_S:
        return []
    late, early = ("right", "left") if lag_s > 0 else ("left", "right")
    words = (
        f"{late} images arrive {abs(lag_s):.2f} s after the {early} ones of the same stamp: a "
        "slow link or driver?"
    )
    return [Finding(WARNING, _PAIR, words)]


def _common_stamps(images: dict[str, Stream]) -> dict[str, list[int]]:
    """The stamps of the time in which both sides were received; all where there is no such time."""
    first = max(min(stream.stamps) for stream in images.values())
    last = min(max(stream.stamps) for stream in images.values())
    inside = {}
    for side, stream in images.items():
        inside[side] = [stamp for stamp in stream.stamps if first <= stamp <= last]
    if all(inside.values()):
        return inside
    return {side: stream.stamps for side, stream in images.items()}
