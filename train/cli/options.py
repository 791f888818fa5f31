"""What the commands of the training share: the types of their arguments, and topics of a bag.

Loads click only.
"""

from __future__ import annotations

import functools
from pathlib import Path

import click

from depth_ros.recordings.requested_topics import Asked

PATH = click.Path(path_type=Path)
FOUND = click.Path(path_type=Path, exists=True)
# kind of pool -> its folder; the recipes in config/train/ read from the same ones
POOLS = {"pairs": "runs/pool", "video": "runs/clips", "pictures": "runs/clips_mono"}
# field of Asked -> option and help
_TOPICS = {
    "camera": ("--camera", "Take the images below this namespace of a bag."),
    "image": ("--image-topic", "The images of one camera; its camera_info is beside them."),
    "left_image": ("--left-image-topic", "The left images of a pair."),
    "right_image": ("--right-image-topic", "The right ones [the other side of the left topic]."),
    "truth": ("--truth-topic", "Ground-truth depth [.../ground_truth/depth]."),
    "depth": ("--depth-topic", "Recorded depth; it is looked up, and not trained on."),
}


def topic_options(command):
    """Add the options that name topics; the command gets them as one argument, asked."""

    @functools.wraps(command)
    def wrapper(*args, **kwargs):
        topics = {field: kwargs.pop(f"topic_{field}") for field in _TOPICS}
        return command(*args, asked=Asked(**topics), **kwargs)

    for field, (option, text) in reversed(_TOPICS.items()):
        wrapper = click.option(option, f"topic_{field}", default="", help=text)(wrapper)
    return wrapper
