"""Which topics of a recording are read: what was asked for, else the first complete camera; and
what else was there.
"""

from __future__ import annotations

from os.path import commonprefix
from pathlib import Path

from depth_ros.core.errors import DepthRosError, InputError
from depth_ros.recordings.decode import info_to_calibration
from depth_ros.recordings.ground_truth import ODOMETRY_TYPE, TRUTH_DEPTH, TRUTH_ODOMETRY

from .cameras import (
    DEPTH,
    IMAGE_TYPES,
    INFO_TYPE,
    PICTURE,
    Pair,
    TopicFact,
    View,
    find_pairs,
    find_views,
    right_names,
    without_transport,
)
from .reader import BagReader, first_message
from .requested_topics import Asked, Topics
from .unread import NAME_THEM, unread

__all__ = ["SIDES", "Asked", "Topics", "choose_topics", "find_topics", "topic_facts"]
SIDES = ("left", "right")


def topic_facts(reader: BagReader) -> list[TopicFact]:
    """Look at the first message of every topic of a camera; topics without messages are left
    out.
    """
    facts = []
    for one in sorted(reader.connections, key=lambda connection: connection.topic):
        if not one.msgcount:
            continue
        encoding, calibration = "", None
        message = (
            first_message(reader, one.topic) if one.msgtype in (*IMAGE_TYPES, INFO_TYPE) else None
        )
        if message is not None and one.msgtype == INFO_TYPE:
            calibration = _calibration(message)
        elif message is not None:
            encoding = str(message.encoding if one.msgtype == IMAGE_TYPES[0] else message.format)
        facts.append(TopicFact(one.topic, one.msgtype, encoding, calibration))
    return facts


def find_topics(reader: BagReader, mode: str = "auto", asked: Asked | None = None) -> Topics:
    """Choose the topics of an open recording (see choose_topics)."""
    ros1 = " (a ROS 1 bag)" if reader.is_ros1 else ""
    return choose_topics(topic_facts(reader), f"{reader.path}{ros1}", mode, asked or Asked())


def choose_topics(facts: list[TopicFact], path: str | Path, mode: str, asked: Asked) -> Topics:
    """Choose a pair or one camera, each image with the camera_info of its own namespace.

    Args:
        facts: Of all topics with messages. path: Of the recording, for errors. mode: "stereo",
        "mono", or "auto": the first complete pair, else the first complete single camera. asked:
        What the user named; it is taken or refused, never replaced.

    Returns:
        The choice, with what else was there.

    Raises:
        InputError: Nothing fits; the error names the topics that are there.
    """
    if not facts:
        raise InputError(f"{path}: expected messages in the bag, got an empty one")
    views = find_views(facts)
    inside = _inside(views, asked.camera, path)
    pairs = find_pairs(inside)
    there = f"got topics [{', '.join(map(str, facts))}]"
    chosen: Pair | View
    if mode != "mono" and (asked.left_image or asked.right_image):
        chosen = _asked_pair(views, asked, path, there)
    elif mode == "mono" and asked.left_image:
        chosen = _asked_view(views, asked.left_image, "--left-image-topic", path, there)
    elif asked.image:
        chosen = _asked_view(views, asked.image, "--image-topic", path, there)
    elif mode == "stereo" or (mode == "auto" and _is_pair_first(pairs, inside)):
        chosen = _first_pair(pairs, inside, path, there)
    else:
        chosen = _first_view(pairs, inside, path, there)
    return _topics(chosen, facts, views, asked, path)


def _is_pair_first(pairs: list[Pair], views: list[View]) -> bool:
    """Tell whether auto means a pair: a complete one, or an incomplete one where no other camera
    is complete.
    """
    if any(pair.is_complete for pair in pairs):
        return True
    half = {view.topic for pair in pairs for view in (pair.left, pair.right)}
    alone = any(view.info and view.nature == PICTURE and view.topic not in half for view in views)
    rights = any(view.nature == PICTURE and _is_right(view) for view in views)
    return not alone and bool(
        pairs or (rights and not any(view.info and not _is_right(view) for view in views))
    )


def _first_pair(pairs: list[Pair], views: list[View], path, there: str) -> Pair:
    """The first pair, or what is missing of one."""
    if pairs and pairs[0].is_complete:
        return pairs[0]
    if pairs:
        side, view = next(
            (s, v)
            for s, v in (("left", pairs[0].left), ("right", pairs[0].right))
            if v.info is None
        )
        space = view.base.rpartition("/")[0]
        raise InputError(
            f"{path}: expected {side} CameraInfo for {view.topic} on {space}/camera_info, {there}"
        )
    lefts = [
        view
        for view in views
        if view.nature != DEPTH and not _is_right(view) and any(right_names(view.base))
    ]
    if lefts:
        wanted = next(right_names(lefts[0].base))
        raise InputError(
            f"{path}: expected right images beside {lefts[0].topic}, {wanted} say, "
            f"{there}: {NAME_THEM}"
        )
    raise InputError(
        f"{path}: expected left images on .../left/image_rect or image_raw and right ones "
        f"like them, {there}: "
        f"{NAME_THEM}"
    )


def _first_view(pairs: list[Pair], views: list[View], path, there: str) -> View:
    """The first complete single camera, the left of a pair before others."""
    lefts = {pair.left.topic: number for number, pair in enumerate(pairs)}
    rights = {pair.right.topic for pair in pairs}
    pictures = [view for view in views if view.nature == PICTURE or view.topic in lefts]
    if not pictures:
        raise InputError(f"{path}: expected pictures on .../image_rect or .../image_raw, {there}")

    def rank(view: View) -> tuple:
        is_right = view.topic in rights or _is_right(view)
        place = lefts.get(view.topic, len(lefts))
        return view.info is None, is_right, place, "left" not in view.base.split("/"), view.rank

    best = min(pictures, key=rank)
    if best.info is None:
        space = best.base.rpartition("/")[0]
        raise InputError(
            f"{path}: expected CameraInfo on {space}/camera_info for {best.topic}, {there}"
        )
    return best


def _asked_pair(views: list[View], asked: Asked, path, there: str) -> Pair:
    """The pair that was named, the other side of it found where only one was."""
    left = (
        _asked_view(views, asked.left_image, "--left-image-topic", path, there)
        if asked.left_image
        else None
    )
    right = (
        _asked_view(views, asked.right_image, "--right-image-topic", path, there)
        if asked.right_image
        else None
    )
    for pair in find_pairs(views):
        left = left or (pair.left if right and pair.right.topic == right.topic else None)
        right = right or (pair.right if left and pair.left.topic == left.topic else None)
    if left is None or right is None:
        option = "--left-image-topic" if left is None else "--right-image-topic"
        raise InputError(
            f"{path}: expected {option} too, got none, and no topic looks like the other "
            f"side; {there}"
        )
    if left.compressed != right.compressed:
        names = f"{left.topic} and {right.topic}"
        raise InputError(f"{path}: expected both sides compressed, or none, got {names}")
    return Pair(left, right)


def _asked_view(views: list[View], name: str, option: str, path, there: str) -> View:
    """The image topic that was named, with or without its transport."""
    wanted = f"/{name.strip('/')}"
    exact = [view for view in views if f"/{view.topic.lstrip('/')}" == wanted]
    found = exact or [view for view in views if f"/{view.base.lstrip('/')}" == wanted]
    if not found:
        raise InputError(f"{path}: expected images on {name} ({option}), {there}")
    if found[0].info is None:
        space = found[0].base.rpartition("/")[0]
        raise InputError(
            f"{path}: expected CameraInfo on {space}/camera_info for {found[0].topic}, {there}"
        )
    return found[0]


def _inside(views: list[View], camera: str, path) -> list[View]:
    """The views below a namespace; raises InputError where there is none."""
    if not camera:
        return views
    space = f"/{camera.strip('/')}/"
    inside = [view for view in views if f"/{view.topic.lstrip('/')}".startswith(space)]
    if not inside:
        spaces = sorted({view.base.rpartition("/")[0] or "/" for view in views})
        raise InputError(
            f"{path}: expected images below {camera} (--camera), got images in {', '.join(spaces)}"
        )
    return inside


def _topics(
    chosen: Pair | View, facts: list[TopicFact], views: list[View], asked: Asked, path
) -> Topics:
    """Write the choice down, with truth and with what else was there."""
    sides = (
        {"left": chosen.left, "right": chosen.right} if isinstance(chosen, Pair) else {"": chosen}
    )
    first = next(iter(sides.values()))
    truth = asked.truth and _asked_depth(facts, asked.truth, "--truth-topic", path)
    depth = asked.depth and _asked_depth(facts, asked.depth, "--depth-topic", path)
    truth = truth or _truth_depth(facts, first.topic)
    return Topics(
        images={side: view.topic for side, view in sides.items()},
        infos={side: view.info.name for side, view in sides.items()},
        rectified=all(view.rectified for view in sides.values()),
        compressed=first.compressed,
        truth_depth=truth or None,
        truth_odometry=_truth_odometry(facts),
        depth=depth or None,
        others=tuple(unread({view.topic for view in sides.values()}, views, {truth, depth})),
    )


def _asked_depth(facts: list[TopicFact], name: str, option: str, path) -> str:
    """The depth topic that was named."""
    wanted = f"/{name.strip('/')}"
    images = [fact.name for fact in facts if fact.kind in IMAGE_TYPES]
    for same in (lambda topic: topic, without_transport):
        for topic in images:
            if f"/{same(topic).lstrip('/')}" == wanted:
                return topic
    raise InputError(f"{path}: expected a depth topic {name} ({option}), got image topics {images}")


def _truth_depth(facts: list[TopicFact], image: str) -> str:
    """The topic of ground-truth depth: that of the camera's namespace first, plain before
    compressed.
    """
    endings = ("", "/compressed", "/compressedDepth")
    found = []
    for fact in facts:
        for place, ending in enumerate(endings):
            if fact.kind in IMAGE_TYPES and f"/{fact.name}".endswith(f"/{TRUTH_DEPTH}{ending}"):
                found.append((-len(commonprefix([fact.name, image])), place, fact.name))
    return min(found)[-1] if found else ""


def _truth_odometry(facts: list[TopicFact]) -> str | None:
    """The topic of true poses, in any namespace."""
    fitting = (fact.name for fact in facts if fact.kind == ODOMETRY_TYPE)
    return next((name for name in fitting if f"/{name}".endswith(f"/{TRUTH_ODOMETRY}")), None)


def _is_right(view: View) -> bool:
    """Tell a right camera by its name."""
    return "right" in view.base.lower()


def _calibration(message):
    """The calibration of a camera_info, or None of a broken one."""
    try:
        return info_to_calibration(message)
    except DepthRosError:
        return None
