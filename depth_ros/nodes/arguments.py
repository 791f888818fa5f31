"""ROS' command line, with lists of numbers as people write them: [0, 0, 1.5]."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import rclpy
import yaml

_MIXED = "Sequence should be of same type"
_INTEGER = "tag:yaml.org,2002:int"
_FLOAT = "tag:yaml.org,2002:float"


def start_ros(args: list[str] | None = None) -> None:
    """Start rclpy; where it refuses lists that mix whole and broken numbers, give it broken ones.

    Args:
        args: the command line; None: that of the process.

    Raises:
        RuntimeError: rclpy's, for any other command line that it refuses.
    """
    try:
        rclpy.init(args=args)
    except RuntimeError as error:
        if _MIXED not in str(error):
            raise
        print(
            "depth_node: lists of whole and broken numbers are read as broken ones",
            file=sys.stderr,
            flush=True,
        )
        with tempfile.TemporaryDirectory() as folder:
            rclpy.init(args=with_broken_numbers(sys.argv if args is None else args, Path(folder)))


def written_texts(args: list[str] | None = None) -> dict[str, str]:
    """Find what was written for parameters, before YAML made off a boolean and 007 a number.

    Args:
        args: the command line, of which -p NAME:=VALUE and --params-file are read; None: that of
            the process.

    Returns:
        {name: text} of plain values; a parameter that was written in two ways is left out.
    """
    args = sys.argv if args is None else args
    found: dict[str, set[str]] = {}
    for flag, value in zip(args, args[1:], strict=False):
        if flag in ("-p", "--param") and ":=" in value:
            name, text = value.split(":=", 1)
            found.setdefault(name.rsplit(":", 1)[-1], set()).add(text)
        elif flag == "--params-file":
            for name, text in _texts_of(Path(value)):
                found.setdefault(name, set()).add(text)
    return {name: texts.pop() for name, texts in found.items() if len(texts) == 1}


def _texts_of(path: Path) -> list[tuple[str, str]]:
    """The plain values of a file; none where it cannot be read twice (a pipe), or is YAML for
    ROS alone.
    """
    if not path.is_file():
        return []
    try:
        return list(_plain_values(yaml.compose(path.read_text(), Loader=yaml.SafeLoader)))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return []


def _plain_values(node: yaml.Node | None):
    """Yield (name, text) of every value without quotes under ros__parameters."""
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        if key.value != "ros__parameters":
            yield from _plain_values(value)
        elif isinstance(value, yaml.MappingNode):
            for name, item in value.value:
                if isinstance(item, yaml.ScalarNode) and item.style is None:
                    yield name.value, item.value


def with_broken_numbers(args: list[str], folder: Path) -> list[str]:
    """Write numbers with a point wherever a list holds both kinds.

    Args:
        args: a command line; its --params-file and -p NAME:=VALUE are read.
        folder: for the files that differ.

    Returns:
        The command line that means the same.
    """
    changed = list(args)
    for place, (flag, value) in enumerate(zip(args, args[1:], strict=False), start=1):
        if flag == "--params-file":
            path = folder / f"{place}.yaml"
            path.write_text(same_numbers(Path(value).read_text()))
            changed[place] = str(path)
        elif flag in ("-p", "--param") and ":=" in value:
            name, text = value.split(":=", 1)
            changed[place] = f"{name}:={same_numbers(text).strip()}"
    return changed


def same_numbers(text: str) -> str:
    """Rewrite YAML so that a list of whole and broken numbers is one of broken ones.

    >>> same_numbers("pose: [0, 1.5]").strip()
    'pose: [0.0, 1.5]'
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is None:
        return text
    is_changed = False
    for node in _lists(root):
        tags = {item.tag for item in node.value}
        if tags == {_INTEGER, _FLOAT}:
            is_changed = True
            for item in node.value:
                if item.tag == _INTEGER:
                    item.value = str(float(item.value))
                item.tag = _FLOAT
    if not is_changed:
        return text
    return yaml.serialize(root, width=float("inf"))


def _lists(node: yaml.Node):
    """Every list of a document."""
    if isinstance(node, yaml.SequenceNode):
        yield node
        children = node.value
    elif isinstance(node, yaml.MappingNode):
        children = [child for pair in node.value for child in pair]
    else:
        return
    for child in children:
        yield from _lists(child)
