"""What the node says of itself once a second: /diagnostics, and the log."""

from __future__ import annotations

import re
import time

from diagnostic_msgs.msg import DiagnosticArray

from depth_ros.doctor.causes import IDLE
from depth_ros.nodes.fast_path.event_callbacks import NO_PUBLISHER_EVENTS

from .diagnostics import RateMeter, Report, diagnostics_message, health_values
from .statistics import ROUTINE

_NUMBER = re.compile(r"[0-9][0-9.e+-]*")
_MAX_KINDS = 100  # that are warned of: a sender may make up as many as it likes


class Health:
    """Publishes diagnostics of a DepthNode, and logs silence and refused input at most once in
    watchdog_s.
    """

    def __init__(self, node):
        self._node = node
        self._rates = RateMeter()
        self._logged_s = time.monotonic()
        self._logged_drops: dict[str, int] = {}
        self._logged_once: set[str] = set()
        self._warned: set[str] = set()
        self._publisher = node.create_publisher(
            DiagnosticArray, "/diagnostics", 10, event_callbacks=NO_PUBLISHER_EVENTS
        )

    def tick(self) -> None:
        """Look at the node, publish and log."""
        node = self._node
        reasons = node.silence()
        is_idle = reasons == [IDLE]
        if is_idle:  # not a fault
            reasons = []
        drops = {**node.drops_of_matching(), **node.statistics.drops}
        values = {
            **health_values(node.statistics, drops, self._rates, node.estimator),
            **node.health(),
        }
        report = Report(
            tuple(reasons), tuple(node.remarks()), values, IDLE if is_idle else "running"
        )
        stamp = node.get_clock().now().to_msg()
        name = f"{node.get_name()}: depth"
        self._publisher.publish(diagnostics_message(stamp, name, values["model_hash"], report))
        self._log_once(IDLE, is_idle)
        self._log_once(values.get("grey_range", ""), True)
        for remark in node.input_remarks():
            self._warn_once(remark)
        if time.monotonic() - self._logged_s >= node.parameters.watchdog_s:
            self._logged_s = time.monotonic()
            self._log(reasons)

    def _log_once(self, sentence: str, is_so: bool) -> None:
        """Log a sentence when it becomes true, and not again before it was untrue."""
        if is_so and sentence and sentence not in self._logged_once:
            self._logged_once.add(sentence)
            self._node.get_logger().info(sentence)
        elif not is_so:
            self._logged_once.discard(sentence)

    def _warn_once(self, sentence: str) -> None:
        """Warn of something that stays as it is; the numbers in it may move."""
        kind = _NUMBER.sub("#", sentence)
        if kind not in self._warned and len(self._warned) < _MAX_KINDS:
            self._warned.add(kind)
            self._node.get_logger().warning(sentence)

    def _log(self, reasons: list[str]) -> None:
        """Warn of silence, or else of what was dropped since the last time."""
        logger = self._node.get_logger()
        statistics = self._node.statistics
        if reasons:
            logger.warning("no output:\n  " + "\n  ".join(reasons))
        drops = dict(statistics.drops)
        texts = []
        for cause, n in drops.items():
            new = n - self._logged_drops.get(cause, 0)
            if new and cause not in ROUTINE:
                texts.append(f"{new} {cause} ({statistics.texts.get(cause, '')})")
        self._logged_drops = drops
        if texts and not reasons:
            logger.warning("dropped: " + ", ".join(texts))
