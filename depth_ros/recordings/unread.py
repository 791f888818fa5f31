"""What else a recording holds: the cameras and depth topics that are not read, in words."""

from __future__ import annotations

from .cameras import DEPTH, PERHAPS, PICTURE, View, find_pairs, next_names, without_transport

NAME_THEM = "name them with --left-image-topic and --right-image-topic"


def unread(taken: set[str], views: list[View], used: set) -> list[str]:
    """Say which cameras and which depth topics are there and not read.

    taken: the image topics that are read. used: the depth topics that are read.
    """
    words, named = [], set(taken)
    bases = {without_transport(topic) for topic in taken}
    pairs = [pair for pair in find_pairs(views) if not {pair.left.topic, pair.right.topic} & named]
    for pair in pairs:
        if not {pair.left.base, pair.right.base} & bases:
            missing = "" if pair.is_complete else ", without camera_info"
            words.append(
                f"also there: the pair {pair.left.topic}, {pair.right.topic}{missing} "
                "(--left-image-topic)"
            )
        named |= {pair.left.topic, pair.right.topic}
        bases |= {pair.left.base, pair.right.base}
    for view in views:
        if view.nature == PICTURE and view.base not in bases:
            missing = "" if view.info else ", without camera_info"
            words.append(f"also there: {view.topic}{missing} (--image-topic)")
            bases.add(view.base)
    words += _numbered(views, taken)
    depths = [
        v.topic for v in views if v.nature in (DEPTH, PERHAPS) and v.topic not in {*taken, *used}
    ]
    if depths and not any(used):
        words.append(
            f"recorded depth, not used as ground truth: {', '.join(depths)} "
            "(--truth-topic, --depth-topic)"
        )
    return words


def _numbered(views: list[View], taken: set[str]) -> list[str]:
    """Say of cameras like cam0 and cam1 why they are no pair."""
    bases = {view.base: view for view in views if view.nature != DEPTH}
    paired = {view.topic for pair in find_pairs(views) for view in (pair.left, pair.right)}
    for view in views:
        other = next((bases[name] for name in next_names(view.base) if name in bases), None)
        if (
            other is None
            or {view.topic, other.topic} & paired
            or not {view.topic, other.topic} & taken
        ):
            continue
        why = (
            "a camera_info is missing"
            if None in (view.info, other.info)
            else "their P[3] tell no baseline"
        )
        return [f"{view.topic} and {other.topic} are not taken for a pair: {why} ({NAME_THEM})"]
    return []
