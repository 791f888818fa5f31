"""What goes wrong when a node is set up, with the parameters that may be to blame. No ROS."""

from __future__ import annotations

import contextlib

from depth_ros.core.errors import DepthRosError
from depth_ros.nodes.parameters import Parameters

MAX_TEXT = 300


class ConfigurationError(DepthRosError):
    """A step of the configuration that failed; the message names its parameters and the reason."""


@contextlib.contextmanager
def naming(parameters: Parameters, *names: str):
    """Name the parameters that a step reads in whatever it raises.

    Args:
        parameters: whose values are shown.
        names: of those that the step reads; qos_overrides stands for all of them.

    Raises:
        ConfigurationError: instead of any other exception of the block.
    """
    try:
        yield
    except Exception as error:
        values = vars(parameters)
        given = [f"{name} {values[name]!r}" for name in names if values.get(name)]
        given += [name for name in names if name not in values]
        raise ConfigurationError(f"{', '.join(given)}: {describe(error)}") from error


def describe(error: BaseException) -> str:
    """One line about an error: ours explain themselves, of others the type is needed too."""
    reason = " ".join(str(error).split())
    if isinstance(error, DepthRosError):
        return reason
    return f"{type(error).__name__}: {reason}"


def shorten(text: str, length: int = MAX_TEXT) -> str:
    """Cut the middle out of a long text, since what was expected and what came stand at its ends.

    >>> len(shorten("x" * 1000)), shorten("short")
    (300, 'short')
    """
    if len(text) <= length:
        return text
    half = (length - 5) // 2
    return f"{text[: length - 5 - half]} ... {text[-half:]}"
