"""The lifecycle node `depth_node`: camera messages in, metric depth out."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
import traceback

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn

from depth_ros.core.errors import (
    CalibrationError,
    DepthRosError,
    EngineError,
    ImageError,
    SpecError,
)

from .factory import (
    close_engines,
    make_egomotion,
    make_estimator,
    notes,
    rest_unless_wanted,
    set_engine_logger,
)
from .fast_path.event_callbacks import NO_PUBLISHER_EVENTS
from .health.diagnostics import RateMeter, diagnostics_message, health_values
from .health.statistics import ROUTINE, Statistics
from .health.watchdog import Snapshot, explain
from .input.pairing import Mailbox, Pair, SizeError, pair_to_frame
from .input.subscriptions import Inputs
from .odometry.odometry import Motion
from .output.deferred_publisher import Behind
from .output.publishers import Outputs, conflicts
from .parameters import ParameterError, declare_parameters
from .spin import close, spin

_CAUSES = (  # the first that fits
    (SizeError, "size_mismatch"),
    (ImageError, "bad_image"),
    (CalibrationError, "bad_calibration"),
    ((EngineError, SpecError), "engine_error"),
)
_STOP_S = 10.0


class DepthNode(LifecycleNode):
    """Depth of one or two cameras.

    Pairs (in mono: images) are formed in the thread that takes them and answered in one worker
    thread; the newest wins.
    """

    def __init__(self, make_estimator=make_estimator, **options):
        super().__init__("depth_node", **options)
        self._make_estimator = make_estimator
        self.parameters = declare_parameters(self)
        self.statistics = Statistics()
        self._estimator = self._outputs = self._motion = self._inputs = self._mailbox = (
            self._worker
        ) = None
        self._matcher_drops: dict[str, int] = {}
        self._rates = RateMeter()
        self._logged_s, self._logged_drops = time.monotonic(), {}
        self._active_s = time.monotonic()
        self._last_output_s = 0.0
        self._failure = ""
        self.add_on_set_parameters_callback(self._on_parameters)
        self._diagnostics = self.create_publisher(
            DiagnosticArray, "/diagnostics", 10, event_callbacks=NO_PUBLISHER_EVENTS
        )
        # A steady clock: with sim time the watchdog must bark most of all when time stands still.
        self.create_timer(1.0, self._on_timer, clock=Clock(clock_type=ClockType.STEADY_TIME))

    # Lifecycle

    def autostart(self) -> bool:
        """Configure and activate; False where one of them failed."""
        success = TransitionCallbackReturn.SUCCESS
        return self.trigger_configure() == success and self.trigger_activate() == success

    def on_configure(self, state):
        try:
            estimator = self._make_estimator(self.parameters)
            ego = make_egomotion(self.parameters, estimator)
        except (DepthRosError, OSError) as error:
            self._failure = f"cannot configure: {error}"
            self.get_logger().error(self._failure)
            return TransitionCallbackReturn.FAILURE
        self._failure = ""
        self._estimator, self._outputs = estimator, Outputs(self, estimator)
        self._motion = (
            Motion(self, self.parameters, ego, getattr(estimator, "scale", None)) if ego else None
        )
        engine = self._estimator.engine
        self.get_logger().info(
            f"engine {engine.name}, model {engine.spec.name}, hash {engine.model_hash}"
        )
        set_engine_logger(self._estimator, self.get_logger().info)
        self._log_notes()
        return super().on_configure(state)

    def on_activate(self, state):
        result = super().on_activate(state)
        self._mailbox = Mailbox()
        self._active_s = self._logged_s = time.monotonic()
        self.statistics.since_output.clear()
        self._worker = threading.Thread(
            target=self._work, args=(self._mailbox,), name="depth", daemon=True
        )
        if self._motion:
            self._motion.start()
        self._worker.start()
        on_odometry = getattr(getattr(self._estimator, "scale", None), "add_position", None)
        self._inputs = Inputs(self, self.parameters, self.statistics, self._on_pair, on_odometry)
        self.get_logger().info(f"images are taken by: {self._inputs.path}")
        return result

    def on_deactivate(self, state):
        self._stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state):
        self.free()
        return super().on_cleanup(state)

    def on_shutdown(self, state):
        self.free()
        return super().on_shutdown(state)

    def on_error(self, state):
        self.free()
        return (
            TransitionCallbackReturn.SUCCESS
        )  # back to unconfigured, from where it can be configured again

    def _stop(self):
        """Stop listening, then let the worker finish the frame that it has."""
        if self._inputs is not None:
            self._matcher_drops = self.drops_of_matching()
            self._inputs.destroy()
            self._inputs = None
        if self._mailbox is not None:
            if (left_over := self._mailbox.close()) is not None:
                self.statistics.drop("deactivated", stamp_ns=left_over.stamp_ns)
            self._worker.join(_STOP_S)
            self._mailbox = self._worker = None
        if self._motion:
            self._motion.stop()

    def free(self) -> None:
        """Stop, and give up what was configured."""
        self._stop()
        if self._outputs is not None:
            self._outputs.destroy(self)
        if self._motion is not None:
            self._motion.destroy()
        if self._estimator is not None:
            close_engines(self._estimator)
        self._outputs = self._motion = self._estimator = None

    # Work

    def _on_pair(self, pair: Pair):
        """Leave the pair for the worker; called in the thread of Inputs."""
        if (older := self._mailbox.put(pair)) is not None:
            self.statistics.drop("busy", stamp_ns=older.stamp_ns)

    def _work(self, mailbox: Mailbox):
        """Answer pairs until the mailbox closes; whatever one of them does, the next one is
        answered.
        """
        publishing = Behind("publish")
        while (pair := mailbox.take()) is not None:
            self._guarded(self._answer, pair, publishing)
        publishing.close()

    def _guarded(self, step, item, *arguments):
        """Take a step with a pair or its estimate; what it raises costs this one and no other."""
        try:
            step(item, *arguments)
        except DepthRosError as error:
            cause = next(
                (cause for kind, cause in _CAUSES if isinstance(error, kind)), "internal_error"
            )
            self.statistics.drop(cause, str(error), item.stamp_ns)
        except Exception as error:  # noqa: BLE001 - no message may end the thread
            if self.context.ok():  # at shutdown publishers vanish under the worker: no fault
                self.statistics.drop(
                    "internal_error", f"{type(error).__name__}: {error}", item.stamp_ns
                )
                self.get_logger().debug(traceback.format_exc())

    def _answer(self, pair: Pair, publishing: Behind):
        """One pair to its estimate, which is published while the next pair is being answered."""
        wanted, motion_wanted = self._outputs.wanted(), self._motion_wanted()
        if not wanted and not motion_wanted:
            self.statistics.drop("no_subscriber", stamp_ns=pair.stamp_ns)
            return
        rest_unless_wanted(self._estimator, bool(motion_wanted), self.parameters.egomotion_method)
        estimate = self._estimator.estimate(pair_to_frame(pair, self.parameters.rectify))
        if estimate.scale_reason:  # metres were asked for, so nothing else may go out
            self.statistics.drop("no_scale", estimate.scale_reason, pair.stamp_ns)
            return
        if motion_wanted:
            self._motion.put(estimate)
        publishing.submit(lambda: self._guarded(self._publish, estimate, wanted))

    def _publish(self, estimate, wanted: set[str]):
        """One estimate to its topics."""
        self._outputs.publish(estimate, wanted, self.parameters)
        age_ms = (self.get_clock().now().nanoseconds - estimate.stamp_ns) / 1e6
        self._last_output_s = time.monotonic()
        self.statistics.answer(age_ms, estimate.timing_ms.get("engine", float("nan")))

    def _motion_wanted(self) -> set[str]:
        """Name what somebody wants to hear of the motion."""
        return self._motion.wanted() if self._motion else set()

    def _log_notes(self):
        """Say once what a user must know about the outputs."""
        for note in notes(self._estimator):
            self.get_logger().warning(note)

    # Parameters and health

    def _on_parameters(self, changes):
        """Apply or refuse a live change."""
        ours = {
            p.name: p.value
            for p in changes
            if not p.name.startswith(("qos_overrides.", "use_sim_time"))
        }
        try:
            self.parameters = self.parameters.changed(ours, configured=self._estimator is not None)
        except ParameterError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def drops_of_matching(self) -> dict[str, int]:
        """Give the images that found no partner, by cause, over all activations."""
        total = dict(self._matcher_drops)
        for cause, n in (self._inputs.matcher.drops if self._inputs else {}).items():
            total[cause] = total.get(cause, 0) + n
        return total

    def silence(self) -> list[str]:
        """Say why there is no output; empty while there is some, or while it is too early to
        say.
        """
        if self._failure:
            return [self._failure]
        silent_s = time.monotonic() - max(self._active_s, self._last_output_s)
        if self._inputs is None or silent_s < self.parameters.watchdog_s:
            return []
        stats, matcher = self.statistics, self._inputs.matcher
        publishers = self._motion.publishers.values() if self._motion else ()
        return explain(
            Snapshot(
                silent_s=silent_s,
                streams=self._inputs.streams(),
                pairs=stats.since_output["pairs"],
                drops={**self._inputs.unmatched_since_pair(), **stats.dropped_since_output()},
                texts=dict(stats.texts),
                closest_gap_ns=matcher.closest_gap_ns,
                tolerance_ns=round(self.parameters.sync_tolerance_s * 1e9),
                use_sim_time=self.get_parameter("use_sim_time").value,
                clock_ns=self.get_clock().now().nanoseconds,
                last_stamp_ns=stats.last_stamp_ns,
                subscribers=len(self._outputs.wanted()) + len(self._motion_wanted()),
                unmet=tuple(conflicts(self, [*self._outputs.publishers.values(), *publishers])),
            )
        )

    def _on_timer(self):
        """Once a second: publish diagnostics; log, at most once in watchdog_s, silence and
        refused input.
        """
        reasons, drops = self.silence(), {**self.drops_of_matching(), **self.statistics.drops}
        values = health_values(self.statistics, drops, self._rates, self._estimator)
        if self._inputs:
            values |= {f"topic/{name}": topic for name, topic in self._inputs.topics().items()}
            values["message_path"] = self._inputs.path
        remarks = notes(self._estimator) if self._estimator else ()
        if self._motion:
            self._motion.poll()
            values, remarks = {**values, **self._motion.values()}, (*remarks, *self._motion.notes())
        now, name = self.get_clock().now().to_msg(), f"{self.get_name()}: depth"
        self._diagnostics.publish(
            diagnostics_message(now, name, values["model_hash"], reasons, values, remarks)
        )
        if time.monotonic() - self._logged_s < self.parameters.watchdog_s:
            return
        self._logged_s = time.monotonic()
        if reasons:
            self.get_logger().warning("no output:\n  " + "\n  ".join(reasons))
        drops = self.statistics.drops
        new = {
            c: n - self._logged_drops.get(c, 0) for c, n in list(drops.items()) if c not in ROUTINE
        }
        self._logged_drops = dict(drops)
        texts = [
            f"{n} {cause} ({self.statistics.texts.get(cause, '')})" for cause, n in new.items() if n
        ]
        if texts and not reasons:
            self.get_logger().warning("dropped: " + ", ".join(texts))


def main(args=None, make_estimator=make_estimator) -> int:
    """Run the node; returns 0 after a shutdown, 1 where it could not start, 2 for a refused
    parameter.
    """
    try:
        rclpy.init(args=args)
        try:
            node = DepthNode(make_estimator)
        except ParameterError as error:
            print(f"depth_node: {error}", file=sys.stderr)
            return 2
        if node.parameters.autostart and not node.autostart():
            return 1
        spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    finally:
        # launch sends SIGINT to the group and then to each process: the second must not tear the
        # shutdown apart
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        close(locals().get("node"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
