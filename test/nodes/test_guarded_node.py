"""A node of which something fails in a transition: it says what, and can be used again."""

import threading

import pytest

pytest.importorskip("rclpy")
import rclpy
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from depth_ros.nodes import depth_node
from depth_ros.nodes.depth_node import DepthNode
from depth_ros.nodes.factory import make_estimator

from . import dds

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


@pytest.fixture
def make_node():
    context = rclpy.Context()
    rclpy.init(args=[], context=context, domain_id=dds.domain(33))
    nodes = []

    def make(make_estimator=make_estimator, **parameters):
        values = {"backend": "sgbm", "egomotion_method": "off", "model": "", **parameters}
        given = [Parameter(name, value=value) for name, value in values.items()]
        nodes.append(DepthNode(make_estimator, context=context, parameter_overrides=given))
        return nodes[-1]

    yield make
    for node in nodes:
        node.free()
        node.destroy_node()
    rclpy.try_shutdown(context=context)


@pytest.mark.parametrize(
    "error",
    [
        TypeError("unhashable type: 'list'"),
        RecursionError("maximum recursion depth"),
        MemoryError("1 GiB"),
        KeyError("task"),
    ],
)
def test_whatever_a_model_raises_is_told_and_the_next_try_works(make_node, error):
    """A hostile spec may fail in any way; rclpy would swallow it."""
    errors = [error]

    def make(parameters):
        if errors:
            raise errors.pop()
        return make_estimator(parameters)

    node = make_node(make, pose_model="odd.onnx")
    assert not node.autostart()
    assert node.failure.startswith(
        "cannot configure: backend 'sgbm', pose_model 'odd.onnx', scale_source 'auto': "
    )
    assert type(error).__name__ in node.failure and str(error) in node.failure
    assert node.silence() == [node.failure]
    assert node.autostart()
    assert node.failure == ""


def test_a_failure_while_it_becomes_active_leaves_it_inactive(make_node, monkeypatch):
    node = make_node()
    assert node.trigger_configure() == SUCCESS
    threads = set(threading.enumerate())

    def refuse(*_):
        raise RuntimeError("no more descriptors")

    with monkeypatch.context() as patch:
        patch.setattr(depth_node, "Inputs", refuse)
        assert node.trigger_activate() == FAILURE
    assert "cannot activate: left_image_topic 'left/image_rect'" in node.failure.replace(
        "odometry_topic '', ", ""
    )
    assert "RuntimeError: no more descriptors" in node.failure
    assert set(threading.enumerate()) <= threads  # its worker is gone
    assert not any(publisher.is_activated for publisher in node._outputs.publishers.values())
    assert node.trigger_activate() == SUCCESS
    assert node.failure == ""


def test_outputs_that_cannot_be_advertised_free_the_engine(make_node, monkeypatch):
    node = make_node()

    def refuse(*_):
        raise RuntimeError("bad QoS")

    with monkeypatch.context() as patch:
        patch.setattr(depth_node, "Outputs", refuse)
        assert node.trigger_configure() == FAILURE
    assert node.failure == "cannot configure: qos_overrides: RuntimeError: bad QoS"
    assert node.estimator is None
    assert node.autostart()


def test_a_bad_topic_is_refused_when_it_is_set(make_node):
    node = make_node()
    (result,) = node.set_parameters([Parameter("left_image_topic", value="/a b")])
    assert not result.successful and "left_image_topic: expected a topic name" in result.reason
    (result,) = node.set_parameters([Parameter("left_image_topic", value="/a_b")])
    assert result.successful and node.parameters.left_image_topic == "/a_b"


def test_others_read_what_the_node_works_with(make_node):
    node = make_node(egomotion_method=False, sync_tolerance_s="0.01", rectify="yes")
    assert node.get_parameter("egomotion_method").value == "off"
    assert node.get_parameter("sync_tolerance_s").value == 0.01
    assert node.get_parameter("rectify").value is True


def test_an_override_of_another_topic_is_remarked_upon(make_node):
    node = make_node(**{"qos_overrides./lefft/camera_info.subscription.depth": 3})
    assert any("did you mean /left/camera_info?" in remark for remark in node.remarks())
