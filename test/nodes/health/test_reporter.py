"""What a node says once a second, without DDS."""

from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy")
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus

from depth_ros.doctor.causes import IDLE
from depth_ros.nodes.health.failures import MAX_TEXT
from depth_ros.nodes.health.reporter import Health
from depth_ros.nodes.health.statistics import Statistics

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


class Log(list):
    """A logger."""

    def info(self, words):
        self.append(("info", words))

    def warning(self, words):
        self.append(("warning", words))


class FakeNode:
    """What Health asks of a node; says: what silence and remarks give."""

    def __init__(self):
        self.statistics, self.log, self.sent = Statistics(), Log(), []
        self.reasons, self.notes, self.values = [], [], {}
        self.estimator, self.parameters = None, SimpleNamespace(watchdog_s=0.0)

    def create_publisher(self, *_, **__):
        return SimpleNamespace(publish=self.sent.append)

    def get_clock(self):
        return SimpleNamespace(now=lambda: SimpleNamespace(to_msg=Time))

    def get_logger(self):
        return self.log

    def get_name(self):
        return "depth_node"

    def silence(self):
        return self.reasons

    def remarks(self):
        return self.notes

    def input_remarks(self):
        return self.notes

    def health(self):
        return self.values

    def drops_of_matching(self):
        return {}

    @property
    def status(self):
        return self.sent[-1].status[0]


@pytest.fixture
def node():
    return FakeNode()


def test_a_node_to_which_nobody_listens_is_well_and_says_so_once(node):
    health = Health(node)
    node.reasons = [IDLE]
    for _ in range(5):
        health.tick()
    assert (node.status.level, node.status.message) == (OK, IDLE)
    assert node.log == [("info", IDLE)]
    node.reasons = []
    health.tick()
    assert node.status.message == "running"
    node.reasons = [IDLE]
    health.tick()
    assert node.log == [("info", IDLE)] * 2


def test_a_listener_that_hears_nothing_is_a_fault(node):
    node.reasons = [IDLE, "rviz asks more of /points than it offers"]
    Health(node).tick()
    assert node.status.level == ERROR
    assert node.log == [("warning", "no output:\n  " + "\n  ".join(node.reasons))]


def test_what_the_images_use_is_logged_once(node):
    health = Health(node)
    node.values = {"grey_range": "the 16-bit images use 10 bits"}
    for _ in range(3):
        health.tick()
    assert node.log == [("info", "the 16-bit images use 10 bits")]


def test_a_text_of_a_megabyte_does_not_fill_log_and_diagnostics(node):
    health = Health(node)
    node.statistics.drop("bad_image", f"expected mono8, got encoding {'x' * 1_000_000!r}")
    node.values = {"odom_child": "y" * 1_000_000}
    node.reasons = [
        f"images are refused (bad_image, 1 times): {node.statistics.texts['bad_image']}"
    ]
    health.tick()
    values = {item.key: item.value for item in node.status.values}
    assert len(values["odom_child"]) == MAX_TEXT
    assert len(node.status.message) < 2 * MAX_TEXT
    assert node.status.message.startswith(
        "images are refused (bad_image, 1 times): expected mono8, got encoding"
    )
    assert all(len(words) < 2 * MAX_TEXT for _, words in node.log)


def test_remarks_are_a_warning_and_are_logged_once(node):
    health = Health(node)
    for lag_s in ("0.400", "0.402", "1.2e-1"):
        node.notes = [f"right images arrive {lag_s} s after the others of the same stamp"]
        health.tick()
        assert (node.status.level, node.status.message) == (WARN, node.notes[0])
    assert node.log == [
        ("warning", "right images arrive 0.400 s after the others of the same stamp")
    ]
