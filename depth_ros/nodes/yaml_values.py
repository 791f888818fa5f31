"""What a user meant by a value that YAML 1.1 reads as something else: off as false, 1e-3 as
text.
"""

from __future__ import annotations

import difflib
import re
from typing import Any

import yaml

_NULL = ("null", "Null", "NULL", "~")  # ROS' own parser hands these on as text
_INTEGER = re.compile(r"[-+]?[0-9]+")
_SAME = {True: "on, yes, y and true", False: "off, no, n and false"}


def as_meant(default: Any, choices: tuple[str, ...], value: Any) -> Any:
    """Turn a value into the one that was meant, where only one can have been.

    Args:
        default: of the parameter; its type is the one that is wanted.
        choices: the texts that a parameter with a closed set takes, else empty.
        value: what came out of YAML, a launch file or a service call.

    Returns:
        For text with choices, the choice that YAML reads so (off for False); for a switch, a
        number or a text that says true or false; for a number, what a text says; for null, the
        default. Anything else as it came, for the caller to refuse.

    >>> (
    ...     as_meant("hybrid", ("off", "hybrid"), False),
    ...     as_meant(0.0, (), "1e-3"),
    ...     as_meant(True, (), "no"),
    ... )
    ('off', 0.001, False)
    """
    if value is None or (isinstance(value, str) and value in _NULL):
        return default
    kind = type(default)
    if kind is str and not isinstance(value, str):
        fitting = [choice for choice in choices if _reads_as(choice, value)]
        if len(fitting) == 1:
            return fitting[0]
        return value
    if kind is bool:
        return _switch(value)
    if isinstance(value, str) and kind in (int, float):
        return _number(value, kind)
    return value


def as_written(default: Any, value: Any, text: str | None) -> Any:
    """Return the text that was written for a parameter of text, where YAML made something else of
    it.

    >>> as_written("hybrid", False, "off"), as_written("odom", 7, "007"), as_written(2.0, 3, "3")
    ('off', '007', 3)
    """
    is_lost = isinstance(default, str) and isinstance(value, (bool, int, float))
    if is_lost and text is not None:
        return text
    return value


def nearest_choice(choices: tuple[str, ...], value: str) -> str:
    """ ": did you mean ...?" for a text that YAML reads like one of the choices, or that is
    nearly one; else "".
    """
    read = yaml.safe_load(value) if value.isalnum() else value
    found = []
    if not isinstance(read, str):
        found = [choice for choice in choices if _reads_as(choice, read)]
    found = found or difflib.get_close_matches(value, choices, n=1)
    if not found:
        return ""
    return f": did you mean {found[0]!r}?"


def how_to_write(name: str, value: Any) -> str:
    """How to write text that YAML takes for something else, in a file and on a command line.

    >>> print(how_to_write("odom_frame", 7))
    YAML reads it as int; write odom_frame: '7' in a file, -p "odom_frame:='7'" in a shell
    """
    if isinstance(value, bool):
        return (
            f"YAML reads {_SAME[value]} so; write {name}: 'TEXT' in a file, -p "
            f"\"{name}:='TEXT'\" in a shell"
        )
    kind = type(value).__name__
    return (
        f"YAML reads it as {kind}; write {name}: '{value}' in a file, -p \"{name}:='{value}'\" "
        "in a shell"
    )


def _reads_as(text: str, value: Any) -> bool:
    """Whether YAML makes this value of a text."""
    read = yaml.safe_load(text)
    return type(read) is type(value) and read == value


def _switch(value: Any) -> Any:
    """True or False, where a text or 0 or 1 says so."""
    if isinstance(value, str):
        read = yaml.safe_load(value.lower()) if value.isalpha() else value
        if isinstance(read, bool):
            return read
    if type(value) is int and value in (0, 1):
        return bool(value)
    return value


def _number(text: str, kind: type) -> Any:
    """The number that a text says, or the text."""
    if kind is int:
        if _INTEGER.fullmatch(text.strip()):
            return int(text)
        return text
    try:
        return float(text)
    except ValueError:
        return text
