"""A ROS domain in which nobody else is."""

from __future__ import annotations

import os
import socket

from depth_ros.core.errors import InputError

_HIGHEST = 101  # above it the ports are those that Linux hands out
# DDSI-RTPS 2.2, 9.6.1.3: 7400 + 250 domain + 10.
_BASE_PORT = 7400
_DOMAIN_GAIN = 250
_FIRST_PARTICIPANT = 10


def free_domain() -> int:
    """Return the highest domain without a participant on this machine, never that of ROS_DOMAIN_ID.

    The port at which the first participant of a domain listens says whether there is one.
    Raises InputError where all are taken.
    """
    own = os.environ.get("ROS_DOMAIN_ID", "0")
    for domain in range(_HIGHEST, 0, -1):
        port = _BASE_PORT + _DOMAIN_GAIN * domain + _FIRST_PARTICIPANT
        if str(domain) != own.strip() and _is_free(port):
            return domain
    raise InputError(f"expected a free ROS domain from 1 to {_HIGHEST} for the replay, got none")


def _is_free(port: int) -> bool:
    """True where nobody listens at a UDP port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
