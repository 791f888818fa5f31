"""The node's publishers; each message is made only while somebody subscribes to it."""

from __future__ import annotations

from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from stereo_msgs.msg import DisparityImage

from depth_ros.core.types import Estimate
from depth_ros.estimator.mono import MonoEstimator
from depth_ros.estimator.stereo import StereoEstimator
from depth_ros.nodes.fast_path.event_callbacks import NO_PUBLISHER_EVENTS
from depth_ros.nodes.fast_path.image_sender import ImageSender
from depth_ros.nodes.parameters import Parameters
from depth_ros.nodes.qos import overridable

from . import messages

TOPICS = {
    "depth": ("depth/image_rect", Image),
    "info": ("depth/camera_info", CameraInfo),
    "disparity": ("disparity", DisparityImage),
    "sigma": ("depth/sigma", Image),
    "color": ("depth/color", Image),
    "points": ("points", PointCloud2),
    "inv_depth": ("inv_depth/image_rect", Image),
    "inv_info": ("inv_depth/camera_info", CameraInfo),
}
_METRES = ("depth", "info", "sigma", "color", "points")
_SGBM_STEP_PX = 1 / 16  # StereoSGBM counts in sixteenths of a pixel


def outputs_of(estimator: StereoEstimator | MonoEstimator) -> tuple[str, ...]:
    """List what an estimator can answer; nothing that is not metres goes to a topic that means
    metres.
    """
    if isinstance(estimator, StereoEstimator):
        return (*_METRES, "disparity")
    if not estimator.is_metric:
        return ("inv_depth", "inv_info")
    return _METRES


def conflicts(node, publishers) -> list[str]:
    """List subscribers that the QoS of our publishers does not satisfy and that therefore receive
    nothing.
    """
    found = []
    for publisher in publishers:
        for info in node.get_subscriptions_info_by_topic(publisher.topic_name):
            result, why = qos_check_compatible(publisher.qos_profile, info.qos_profile)
            if result == QoSCompatibility.ERROR:
                found.append(
                    f"{info.node_name} asks more of {publisher.topic_name} than it offers: "
                    f"{why.strip()}"
                )
    return found


class Outputs:
    """Reliable, depth 5 (RViz asks for reliable); QoS can be overridden by qos_overrides
    parameters.
    """

    def __init__(self, node, estimator: StereoEstimator | MonoEstimator):
        self._delta_px = None
        if estimator.engine.name == "sgbm":
            self._delta_px = _SGBM_STEP_PX
        self.publishers = {}
        for name in outputs_of(estimator):
            topic, kind = TOPICS[name]
            self.publishers[name] = node.create_lifecycle_publisher(
                kind,
                topic,
                QoSProfile(depth=5),
                event_callbacks=NO_PUBLISHER_EVENTS,
                qos_overriding_options=overridable(),
            )
        images = [name for name in self.publishers if TOPICS[name][1] is Image]
        self._senders = {name: ImageSender(self.publishers[name]) for name in images}
        if whys := {sender.why_plain for sender in self._senders.values()} - {""}:
            node.get_logger().warning(
                f"images are published by rclpy, which costs more: {'; '.join(sorted(whys))}"
            )

    def wanted(self) -> set[str]:
        """Return the outputs that somebody subscribes to."""
        return {
            name
            for name, publisher in self.publishers.items()
            if publisher.get_subscription_count()
        }

    def publish(self, estimate: Estimate, wanted: set[str], parameters: Parameters) -> None:
        """Publish what is wanted and known, with stamp and frame of the input; depth first,
        which is waited for.
        """
        header = messages.make_header(estimate.stamp_ns, estimate.frame_id)
        makers = {
            "depth": lambda: messages.depth_to_array(estimate.depth, parameters.depth_encoding),
            "info": lambda: messages.camera_to_info(estimate.camera, header),
            "disparity": lambda: messages.disparity_to_message(
                estimate.disparity,
                estimate.rig,
                header,
                parameters.max_disparity_px,
                self._delta_px,
            ),
            "sigma": lambda: messages.depth_to_array(estimate.sigma_m),
            "color": lambda: (
                messages.depth_to_color(
                    estimate.depth, parameters.color_near_m, parameters.color_far_m
                ),
                "rgb8",
            ),
            "points": lambda: messages.depth_to_points(
                estimate.depth, estimate.camera, estimate.left, header
            ),
            "inv_depth": lambda: messages.depth_to_array(estimate.inv_depth),
            "inv_info": lambda: messages.camera_to_info(estimate.camera, header),
        }
        for name, make in makers.items():
            if name not in wanted or (name == "sigma" and estimate.sigma_m is None):
                continue
            if name in self._senders:
                self._senders[name].send(*make(), estimate.stamp_ns, estimate.frame_id)
            else:
                self.publishers[name].publish(make())

    def destroy(self, node) -> None:
        """Take the publishers down."""
        for publisher in self.publishers.values():
            node.destroy_lifecycle_publisher(publisher)
