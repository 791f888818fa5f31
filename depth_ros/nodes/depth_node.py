"""The lifecycle node `depth_node`: camera messages in, metric depth out."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections import Counter

from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType

from depth_ros.core.errors import (
    CalibrationError,
    DepthRosError,
    EngineError,
    ImageError,
    SpecError,
)
from depth_ros.core.grey_range import GreyRange
from depth_ros.estimator.factory import rest_unless_wanted
from depth_ros.estimator.scale import OdometryScale

from .factory import (
    close_engines,
    make_egomotion,
    make_estimator,
    notes,
    set_engine_logger,
)
from .fast_path.parameter_overrides import parameter_overrides
from .guarded_node import GuardedNode
from .health.failures import naming
from .health.reporter import Health
from .health.statistics import Statistics
from .health.watchdog import Snapshot, explain
from .input.frame_decoding import Pair, SizeError, pair_to_frame
from .input.subscriptions import Inputs
from .mailbox import Mailbox
from .odometry.odometry import MOTION_TOPICS, Motion
from .output.deferred_publisher import DeferredPublisher
from .output.publishers import TOPICS, Outputs, conflicts
from .parameters import ParameterError, declare_parameters
from .spin import run
from .topic_names import check_overrides, refuse_bad_topics, topics_of

_CAUSES = (  # the first that fits
    (SizeError, "size_mismatch"),
    (ImageError, "bad_image"),
    (CalibrationError, "bad_calibration"),
    ((EngineError, SpecError), "engine_error"),
)
_STOP_S = 10.0
_OF_ROS = ("qos_overrides.", "use_sim_time")


class DepthNode(GuardedNode):
    """Depth of one or two cameras.

    Pairs (in mono: images) are formed in the thread that takes them and answered in one worker
    thread; the newest wins.
    """

    def __init__(
        self, make_estimator=make_estimator, written: dict[str, str] | None = None, **options
    ):
        super().__init__("depth_node", **options)
        self._make_estimator = make_estimator
        self.parameters = declare_parameters(self, written)
        self._remarks = self._check_names(self.parameters)
        self.statistics = Statistics()
        self._estimator = None
        self._outputs = None
        self._motion = None
        self._inputs = None
        self._mailbox = None
        self._worker = None
        self._matcher_drops: dict[str, int] = {}
        self._active_s = time.monotonic()
        self._last_output_s = 0.0
        self._idle_s = 0.0
        self._greys = GreyRange()
        self.add_on_set_parameters_callback(self._on_parameters)
        health = Health(self)
        # A steady clock: with sim time the watchdog must bark most of all when time stands still.
        self.create_timer(1.0, health.tick, clock=Clock(clock_type=ClockType.STEADY_TIME))

    # Lifecycle

    def _configure(self):
        """Load what the parameters name, and advertise what it can answer."""
        parameters = self.parameters
        self._remarks = self._check_names(parameters)
        with naming(parameters, "grey_bits"):
            self._greys = GreyRange(parameters.grey_bits)
        with naming(parameters, "model", "backend", "pose_model", "scale_source"):
            self._estimator = self._make_estimator(parameters)
        with naming(parameters, "egomotion_method"):
            ego = make_egomotion(parameters, self._estimator)
        with naming(parameters, "qos_overrides"):
            self._outputs = Outputs(self, self._estimator)
        if ego is not None:
            with naming(parameters, "imu_topic", "base_frame", "qos_overrides"):
                self._motion = Motion(self, parameters, ego, self._estimator.scale)
        engine = self._estimator.engine
        self.get_logger().info(
            f"engine {engine.name}, model {engine.spec.name}, hash {engine.model_hash}"
        )
        set_engine_logger(self._estimator, self.get_logger().info)
        for note in (*self._remarks, *notes(self._estimator)):
            self.get_logger().warning(note)

    def _activate(self):
        """Start the workers, then listen."""
        self._mailbox = Mailbox()
        self._active_s = time.monotonic()
        self.statistics.since_output.clear()
        self._worker = threading.Thread(
            target=self._work, args=(self._mailbox,), name="depth", daemon=True
        )
        self._worker.start()
        if self._motion:
            self._motion.start()
        scale = self._estimator.scale
        on_odometry = scale.add_position if isinstance(scale, OdometryScale) else None
        topics = [name for name in vars(self.parameters) if name.endswith("_topic")]
        with naming(self.parameters, *topics, "qos_overrides"):
            self._inputs = Inputs(
                self, self.parameters, self.statistics, self._on_pair, on_odometry
            )
        self.get_logger().info(f"images are taken by: {self._inputs.path}")

    def _check_names(self, parameters) -> list[str]:
        """Refuse topics and qos_overrides that ROS would refuse later; returns remarks on
        overrides without effect.
        """
        refuse_bad_topics(self, parameters)
        outputs = [topic for topic, _ in TOPICS.values()]
        topics = topics_of(self, parameters, [*outputs, *MOTION_TOPICS])
        given = parameter_overrides(self)
        remarks = []
        for name in ("odom_frame", "base_frame"):
            if str(given.get(name, "")).startswith("/"):
                remarks.append(
                    f"{name} {given[name]!r} begins with a slash, which tf2 refuses: taken without"
                )
        return remarks + check_overrides(given, topics)

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
        publishing = DeferredPublisher("publish")
        while (pair := mailbox.take()) is not None:
            self._guarded(self._answer, pair, publishing)
        publishing.close()

    def _guarded(self, step, item, *arguments):
        """Take a step with a pair or its estimate; what it raises costs this one and no other."""
        try:
            step(item, *arguments)
        except DepthRosError as error:
            self.statistics.drop(_cause_of(error), str(error), item.stamp_ns)
        except Exception as error:  # noqa: BLE001 - no message may end the thread
            if self.context.ok():  # at shutdown publishers vanish under the worker: no fault
                self.statistics.drop(
                    "internal_error", f"{type(error).__name__}: {error}", item.stamp_ns
                )
                self.get_logger().debug(traceback.format_exc())

    def _answer(self, pair: Pair, publishing: DeferredPublisher):
        """One pair to its estimate, which is published while the next pair is being answered."""
        wanted = self._outputs.wanted()
        motion_wanted = self._motion_wanted()
        if not wanted and not motion_wanted:
            self._idle_s = time.monotonic()
            self.statistics.drop("no_subscriber", stamp_ns=pair.stamp_ns)
            return
        rest_unless_wanted(self._estimator, bool(motion_wanted), self.parameters.egomotion_method)
        estimate = self._estimator.estimate(
            pair_to_frame(pair, self.parameters.rectify, self._greys)
        )
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
        """The outputs of the motion that somebody subscribes to."""
        if self._motion is None:
            return set()
        return self._motion.wanted()

    # Parameters and health

    def _on_parameters(self, changes):
        """Apply or refuse a live change."""
        ours = {}
        for parameter in changes:
            if not parameter.name.startswith(_OF_ROS):
                ours[parameter.name] = parameter.value
        try:
            changed = self.parameters.changed(ours, configured=self._estimator is not None)
            refuse_bad_topics(self, changed)
        except ParameterError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self.parameters = changed
        return SetParametersResult(successful=True)

    @property
    def estimator(self):
        """The StereoEstimator or MonoEstimator; None while unconfigured."""
        return self._estimator

    def drops_of_matching(self) -> dict[str, int]:
        """Return the images that found no partner, by cause, over all activations."""
        total = Counter(self._matcher_drops)
        if self._inputs is not None:
            total.update(self._inputs.matching().drops)
        return dict(total)

    def silence(self) -> list[str]:
        """Explain why there is no output; empty while there is some, or while it is too early."""
        if self.failure:
            return [self.failure]
        if self._inputs is None:
            return []
        subscribers = len(self._outputs.wanted()) + len(self._motion_wanted())
        since_s = max(self._active_s, self._last_output_s)
        if subscribers:
            since_s = max(since_s, self._idle_s)
        silent_s = time.monotonic() - since_s
        if silent_s < self.parameters.watchdog_s:
            return []
        return explain(self._snapshot(silent_s, subscribers))

    def _snapshot(self, silent_s: float, subscribers: int) -> Snapshot:
        """Collect what the watchdog needs to know."""
        streams = self._inputs.streams()
        matching = self._inputs.matching()
        statistics = self.statistics
        publishers = list(self._outputs.publishers.values())
        if self._motion is not None:
            publishers += self._motion.publishers.values()
        return Snapshot(
            silent_s=silent_s,
            streams=streams,
            pairs=statistics.since_output["pairs"],
            waited_s=time.monotonic() - max(statistics.first_pair_s, self._idle_s),
            drops={**matching.drops_since_pair, **statistics.dropped_since_output()},
            texts=dict(statistics.texts),
            closest_gap_ns=matching.closest_gap_ns,
            tolerance_ns=matching.tolerance_ns,
            lag=matching.lag,
            wait_ns=matching.wait_ns,
            use_sim_time=self.get_parameter("use_sim_time").value,
            clock_ns=self.get_clock().now().nanoseconds,
            last_stamp_ns=statistics.last_stamp_ns,
            subscribers=subscribers,
            unmet=tuple(conflicts(self, publishers)),
        )

    def remarks(self) -> list[str]:
        """List what a user must know although there is output."""
        found = list(self._remarks)
        if self._estimator is not None:
            found += notes(self._estimator)
        found += self.input_remarks()
        if self._motion is not None:
            found += self._motion.notes()
        return found

    def input_remarks(self) -> list[str]:
        """List what is odd about the cameras although they are answered."""
        if self._inputs is None:
            return []
        return self._inputs.remarks(not self.parameters.rectify)

    def health(self) -> dict:
        """Values of /diagnostics on the input and the motion, beside the counters."""
        values = {}
        if self._inputs is not None:
            values |= {f"topic/{name}": topic for name, topic in self._inputs.topics().items()}
            values["message_path"] = self._inputs.path
            _, lag_ns = self._inputs.matching().lag
            values["sync_lag_s"] = lag_ns / 1e9
        if self._greys.changes:
            values["grey_range"] = self._greys.words() or "the upper 8 of 16 bits"
        if self._motion is not None:
            self._motion.poll()
            values |= self._motion.values()
        return values


def _cause_of(error: DepthRosError) -> str:
    """The cause under which a pair is counted as dropped."""
    for kind, cause in _CAUSES:
        if isinstance(error, kind):
            return cause
    return "internal_error"


def main(args=None, make_estimator=make_estimator) -> int:
    """Run the node; returns 0 after a shutdown, 1 where it could not start, 2 for a refused
    parameter.
    """
    return run(lambda written: DepthNode(make_estimator, written), args)


if __name__ == "__main__":
    sys.exit(main())
