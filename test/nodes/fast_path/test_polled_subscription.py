import pytest

pytest.importorskip("rclpy")
from depth_ros.nodes.fast_path.polled_subscription import Gate


def test_gate():
    gate = Gate()
    assert not gate.can_execute(None)
    gate.is_open = True
    assert gate.can_execute(None)
