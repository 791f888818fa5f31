"""The ROS domain of a replay is nobody's."""

import socket

import pytest

from depth_ros.core.errors import InputError
from depth_ros.nodes.replay import domain


def test_neither_the_users_domain_nor_one_with_a_participant(monkeypatch):
    monkeypatch.setattr(domain, "_is_free", lambda port: port != 7410 + 250 * 101)
    monkeypatch.setenv("ROS_DOMAIN_ID", "100")
    assert domain.free_domain() == 99


def test_a_port_that_is_taken_is_seen():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("", 0))
        port = taken.getsockname()[1]
        assert not domain._is_free(port)
    assert domain._is_free(port)


def test_all_taken(monkeypatch):
    monkeypatch.setattr(domain, "_is_free", lambda port: False)
    with pytest.raises(InputError, match="expected a free ROS domain from 1 to 101"):
        domain.free_domain()
