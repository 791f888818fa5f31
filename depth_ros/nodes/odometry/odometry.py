"""The node's ego-motion: odom, path and TF out, reset_odometry and set_pose in."""

from __future__ import annotations

import numpy as np
from nav_msgs.msg import Odometry, Path
from rclpy.qos import QoSProfile
from std_srvs.srv import Trigger

from depth_ros.core.types import Estimate
from depth_ros.estimator.scale import ScaleSource
from depth_ros.nodes.fast_path.event_callbacks import NO_PUBLISHER_EVENTS
from depth_ros.nodes.input.extrinsics import Extrinsics
from depth_ros.nodes.input.imu import ImuInput
from depth_ros.nodes.parameters import Parameters
from depth_ros.nodes.qos import overridable
from depth_ros.odometry import EgoEstimate, EgoMotion, OdometryInputs, without_metres
from depth_ros.odometry.from_estimate import no_imu

from .messages import BoundedPath, base_motion, body_motion, motion_to_odometry
from .set_pose import SetPose
from .tf import TfOutput
from .worker import MotionWorker

MOTION_TOPICS = ("odom", "path")
_LOST = "lost"
_PATH_EVERY_NS = 500_000_000


class Motion:
    """Runs from the first subscriber on (with publish_tf at once): a pose has a past, which a
    pause would tear.
    """

    def __init__(
        self, node, parameters: Parameters, ego: EgoMotion, scale: ScaleSource | None = None
    ):
        self._node = node
        self._parameters = parameters
        self._extrinsics = Extrinsics(node, parameters)
        self._imu = (
            ImuInput(node, parameters.imu_topic, self._extrinsics) if parameters.imu_topic else None
        )
        self._tf = TfOutput(node, parameters.base_frame) if parameters.publish_tf else None
        self._path = BoundedPath()
        self._path_ns = 0
        self._restarts = 0
        self._child = ""
        self._started = False
        imu = self._imu.take if self._imu else no_imu
        self.worker = MotionWorker(ego, self._publish, OdometryInputs.from_scale(scale, imu))
        self.publishers = {
            "odom": self._advertise(Odometry, "odom"),
            "path": self._advertise(Path, "path"),
        }
        self._service = node.create_service(Trigger, "~/reset_odometry", self._on_reset)
        self._set_pose = SetPose(node, parameters, self._extrinsics, self._on_set_pose)

    def start(self) -> None:
        """Begin anew at the origin."""
        self._started = False
        self._path.clear()
        self.worker.start()

    def stop(self) -> None:
        """Rest until start."""
        self.worker.stop()

    def destroy(self) -> None:
        """Stop, and take everything down."""
        self.worker.stop()
        for publisher in self.publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._node.destroy_service(self._service)
        for part in (self._set_pose, self._imu, self._tf, self._extrinsics):
            if part is not None:
                part.destroy()

    def wanted(self) -> set[str]:
        """Name what somebody listens to; not empty from the first time on."""
        heard = {
            name
            for name, publisher in self.publishers.items()
            if publisher.get_subscription_count()
        }
        if self._tf is not None and self._tf.is_possible:
            heard.add("tf")
        self._started = self._started or bool(heard)
        return heard or ({"odom"} if self._started else set())

    def put(self, estimate: Estimate) -> None:
        """Take the next frame; never waits."""
        self.worker.put(estimate)

    def poll(self) -> None:
        """Look around; call it about once a second, in the executor's thread."""
        if self._tf is not None:
            self._tf.poll()

    def notes(self) -> tuple[str, ...]:
        """Say what a user must know about odometry, while it runs."""
        latest = self.worker.latest
        found = []
        if latest is not None and latest.state == _LOST:
            found.append(f"odometry lost: {latest.reason}")
        elif latest is not None and latest.has_gap:
            found.append(
                "odometry has a gap: its covariance is large until reset_odometry or set_pose"
            )
        if latest is not None and self._extrinsics.why_not:
            found.append(f"the child of odom is {self._child}: {self._extrinsics.why_not}")
        if self._tf is not None and (self._tf.rival or not self._tf.is_possible):
            found.append(f"TF {self._tf.state}")
        if self.worker.faults:
            found.append(f"ego-motion failed {self.worker.faults} times: {self.worker.fault_text}")
        return tuple(found)

    def values(self) -> dict:
        """What /diagnostics says."""
        worker = self.worker
        latest = worker.latest
        tf_state = self._tf.state if self._tf else "off"
        values = {
            "odom": self._state(),
            "odom_frames": worker.frames,
            "odom_dropped/busy": worker.dropped,
            "odom_resets": worker.resets,
            "odom_child": self._child,
            "odom_extrinsics": self._extrinsics.source,
            "odom_tf": tf_state,
            "odom_set_pose_refused": self._set_pose.refused,
            "odom_set_pose_why": self._set_pose.why_refused,
        }
        if self._imu is not None:
            values |= {
                "odom_imu": self._imu.state,
                "odom_imu_received": self._imu.received,
                "odom_imu_unreadable": self._imu.unreadable,
            }
        if latest is not None:
            sigma = np.sqrt(np.diag(latest.covariance).reshape(2, 3).max(axis=1))
            values |= {
                "odom_reason": latest.reason,
                "odom_scale_source": latest.scale,
                "odom_inliers": latest.inliers,
                "odom_has_gap": latest.has_gap,
                "odom_time_jumps": latest.restarts,
                "odom_model": latest.model,
                "odom_sigma_m": float(sigma[0]),
                "odom_sigma_rad": float(sigma[1]),
                "odom_ms": float(latest.timing_ms.get("total", np.nan)),
            }
        return values

    def _state(self) -> str:
        """What odometry does at present."""
        if self.worker.latest is not None:
            return self.worker.latest.state
        if not self._started:
            return "resting: nobody listens"
        return "no frame yet"

    def _publish(self, estimate: EgoEstimate, camera_frame: str) -> None:
        """Publish one estimate, in the worker's thread; without a scale no place is claimed."""
        unscaled = not estimate.is_metric and estimate.state != "initialising"
        estimate = without_metres(estimate) if unscaled else estimate
        parameters = self._parameters
        base_T_camera = self._extrinsics.base_T_camera(camera_frame)
        if base_T_camera is None:
            motion = body_motion(estimate, parameters.odom_frame, camera_frame)
        else:
            motion = base_motion(
                estimate, parameters.odom_frame, parameters.base_frame, base_T_camera
            )
        if not motion.is_finite:
            raise ValueError(f"expected finite numbers, got {motion}")
        if estimate.restarts != self._restarts or motion.child_frame != self._child:
            self._path.clear()
        self._restarts = estimate.restarts
        self._child = motion.child_frame
        self._set_pose.camera_frame = camera_frame
        if self.publishers["odom"].get_subscription_count():
            self.publishers["odom"].publish(motion_to_odometry(motion))
        if self._tf is not None:
            lost = ""
            if estimate.state != "tracking":
                lost = f"odometry is {estimate.state}: {estimate.reason}"
            elif unscaled:
                lost = f"no metres: {estimate.reason}"
            self._tf.publish(motion, lost or self._extrinsics.why_not)
        self._publish_path(motion, estimate)

    def _publish_path(self, motion, estimate: EgoEstimate) -> None:
        """Lengthen the path, and publish it at most twice a second."""
        if estimate.state != _LOST and estimate.is_metric:
            self._path.add(motion)
        late = not 0 <= motion.stamp_ns - self._path_ns < _PATH_EVERY_NS
        if late and self.publishers["path"].get_subscription_count():
            self._path_ns = motion.stamp_ns
            self.publishers["path"].publish(self._path.message(motion.stamp_ns, motion.frame))

    def _on_reset(self, request, response):
        """Begin anew at the origin."""
        self.worker.reset()
        self._path.clear()
        response.success = True
        response.message = "odometry begins anew: the next frame is its origin"
        return response

    def _on_set_pose(self, odom_T_camera: np.ndarray, covariance: np.ndarray) -> None:
        """Go on from there, with a path that begins there."""
        self.worker.set_pose(odom_T_camera, covariance)
        self._path.clear()

    def _advertise(self, kind, topic):
        """A publisher as Outputs has them."""
        return self._node.create_lifecycle_publisher(
            kind,
            topic,
            QoSProfile(depth=5),
            event_callbacks=NO_PUBLISHER_EVENTS,
            qos_overriding_options=overridable(),
        )
