"""The node's parameters: one dataclass is the only place where a default, a unit or a range is
written.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, field, fields, replace

from depth_ros.core.errors import DepthRosError
from depth_ros.engine.options import BACKENDS, CUDA_BINDINGS, MOST_WORKSPACE_MIB, PRECISIONS

from .fast_path.parameter_overrides import parameter_overrides
from .yaml_values import as_meant, as_written, how_to_write, nearest_choice

SCALE_SOURCES = ("auto", "camera_height", "odometry")
EGOMOTION_METHODS = ("off", "network", "geometric", "hybrid")


class ParameterError(DepthRosError, ValueError):
    """A parameter that is unknown, of the wrong type, out of its range, or not changeable now."""


def _parameter(default, text, *, low=None, high=None, choices=(), live=False):
    """Declare one parameter; live: a change applies at once, otherwise when the node is
    configured again.
    """
    return field(
        default=default,
        metadata={"text": text, "low": low, "high": high, "choices": choices, "live": live},
    )


@dataclass(frozen=True)
class Parameters:
    """What a user may set. Scalars carry their unit in the name; a range includes its ends."""

    mode: str = _parameter("stereo", "what the cameras are", choices=("stereo", "mono"))
    autostart: bool = _parameter(True, "configure and activate without a lifecycle manager")
    backend: str = _parameter(
        "auto",
        "engine: auto is the model if there is one, on TensorRT where that can run, else sgbm",
        choices=BACKENDS,
    )
    precision: str = _parameter(
        "fp16",
        "of the TensorRT engine; int8 must have been built ahead, since its ranges "
        "come from a recording: depth-ros build --precision int8 --calibrate BAG",
        choices=PRECISIONS,
    )
    workspace_mib: int = _parameter(
        0,
        "MiB: most scratch memory of the TensorRT engine; 0: any engine that is "
        "built, and the library's choice for a new one",
        low=0,
        high=MOST_WORKSPACE_MIB,
    )
    engine: str = _parameter(
        "",
        "path of a TensorRT engine that depth-ros build left or imported, of the model and "
        "for the size of the images; empty: the cache is searched",
    )
    providers: str = _parameter(
        "",
        "execution providers of ONNX Runtime, best first, separated by commas: cuda, "
        "tensorrt, openvino, coreml, directml, or full names; empty: the CPU",
    )
    cuda_binding: str = _parameter(
        "auto",
        "package that calls the GPU's driver; auto: cuda-bindings, else pycuda",
        choices=CUDA_BINDINGS,
    )
    wait_for_engine: bool = _parameter(
        False,
        "answer no frame before the engine that was asked for is ready, and "
        "all frames by that one, as in an evaluation",
    )
    model: str = _parameter(
        "", "path of an ONNX model with its spec inside; empty: the model that is shipped"
    )
    pose_model: str = _parameter(
        "",
        "mono: path of an ONNX model of motion; empty: the one that is shipped with the "
        "shipped model; none: without",
    )
    scale_source: str = _parameter(
        "auto",
        "mono: where metres come from; auto: the model, or for a relative one "
        "what camera_height_m or odometry_topic gives",
        choices=SCALE_SOURCES,
    )
    camera_height_m: float = _parameter(
        0.0, "metres: the camera over the ground; 0: not known", low=0.0, high=1000.0
    )
    odometry_topic: str = _parameter(
        "", "nav_msgs/Odometry that measures metres (wheels), for scale_source"
    )
    max_disparity_px: int = _parameter(
        128, "pixels: the largest disparity that is searched", low=16, high=1024
    )
    rectify: bool = _parameter(
        False, "the images are raw: rectify them with D, R and P of camera_info", live=True
    )
    image_transport: str = _parameter(
        "raw",
        "raw: Image; compressed: jpeg or png on <topic>/compressed",
        choices=("raw", "compressed"),
    )
    left_image_topic: str = _parameter(
        "left/image_rect", "left images, without /compressed; remapping works too"
    )
    right_image_topic: str = _parameter(
        "right/image_rect", "right images, without /compressed; remapping works too"
    )
    left_info_topic: str = _parameter("left/camera_info", "CameraInfo of the left camera")
    right_info_topic: str = _parameter("right/camera_info", "CameraInfo of the right camera")
    image_topic: str = _parameter(
        "image_rect", "mono: images, without /compressed; remapping works too"
    )
    info_topic: str = _parameter("camera_info", "mono: CameraInfo")
    sync_tolerance_s: float = _parameter(
        0.0, "seconds by which the stamps of a pair may differ", low=0.0, high=1.0
    )
    sync_wait_s: float = _parameter(
        2.0,
        "seconds for which an image is kept for a partner that arrives later (at most "
        "256 MiB of images)",
        low=0.01,
        high=60.0,
    )
    grey_bits: int = _parameter(
        0,
        "16-bit images: how many of the bits, from the lowest, are used; 0: found out from "
        "the images",
        low=0,
        high=16,
    )
    depth_encoding: str = _parameter(
        "32FC1",
        "depth image: 32FC1 metres, NaN unknown; 16UC1 millimetres, 0 unknown",
        choices=("32FC1", "16UC1"),
        live=True,
    )
    color_near_m: float = _parameter(
        0.5, "metres: painted as nearest in depth/color", low=0.01, high=1000.0, live=True
    )
    color_far_m: float = _parameter(
        50.0, "metres: painted as farthest in depth/color", low=0.02, high=1e4, live=True
    )
    egomotion_method: str = _parameter(
        "hybrid",
        "odom, path and TF; hybrid: geometry, in mono with the pose network "
        "as prior and fallback; runs once it is heard",
        choices=EGOMOTION_METHODS,
    )
    odom_frame: str = _parameter(
        "odom",
        "frame_id of odom: where base_frame stood first; without extrinsics body axes "
        "at the first camera",
    )
    base_frame: str = _parameter(
        "base_link",
        "child frame of odom once base_T_camera is known; until then the child "
        "is the optical frame of the images",
    )
    base_T_camera: tuple = _parameter(
        (),
        "pose of the optical frame in base_frame: x y z in metres, quaternion "
        "x y z w, all written with a point; empty: look it up in TF",
    )
    publish_tf: bool = _parameter(
        False, "publish odom_frame -> base_frame on /tf; off where somebody else does"
    )
    imu_topic: str = _parameter(
        "", "sensor_msgs/Imu as a factor of the motion, its frame known to TF; empty: none"
    )
    watchdog_s: float = _parameter(
        5.0, "seconds without output after which the node says why", low=0.5, high=600.0, live=True
    )

    def __post_init__(self):
        for item in fields(self):
            object.__setattr__(self, item.name, _checked(item, getattr(self, item.name)))
        if self.color_near_m >= self.color_far_m:
            raise ParameterError(
                f"color_near_m: expected less than color_far_m ({self.color_far_m} m), got "
                f"{self.color_near_m} m"
            )
        if self.scale_source == "camera_height" and self.camera_height_m == 0:
            raise ParameterError(
                "camera_height_m: expected metres above 0 for scale_source camera_height, got 0.0"
            )
        if self.scale_source == "odometry" and not self.odometry_topic:
            raise ParameterError(
                "odometry_topic: expected a topic for scale_source odometry, got an empty name"
            )
        for name in ("odom_frame", "base_frame"):
            frame = getattr(self, name).lstrip("/")  # tf2 refuses a leading slash
            if not frame:
                raise ParameterError(f"{name}: expected a frame, got an empty name")
            object.__setattr__(self, name, frame)
        if self.odom_frame == self.base_frame:
            raise ParameterError(
                f"base_frame: expected another frame than odom_frame, got {self.base_frame!r} twice"
            )

    @property
    def sides(self) -> tuple[str, ...]:
        """The cameras, as their names stand before those of streams and parameters."""
        return ("left", "right") if self.mode == "stereo" else ("",)

    def image_topic_of(self, side: str) -> str:
        """The topic of the images of a side, without /compressed."""
        topics = {"left": self.left_image_topic, "right": self.right_image_topic}
        return topics.get(side, self.image_topic)

    def info_topic_of(self, side: str) -> str:
        """The topic of the camera_info of a side."""
        topics = {"left": self.left_info_topic, "right": self.right_info_topic}
        return topics.get(side, self.info_topic)

    def changed(self, values: dict, configured: bool) -> Parameters:
        """Return the parameters after a change; raises ParameterError with the reason where it is
        refused.

        configured: the engine and the subscriptions stand, so only live parameters may change.
        """
        refuse_unknown(values)
        new = replace(self, **values)
        for name in values:
            if (
                configured
                and not _FIELDS[name].metadata["live"]
                and getattr(new, name) != getattr(self, name)
            ):
                raise ParameterError(
                    f"{name} is read when the node is configured: deactivate, clean up, then set"
                )
        return new


_FIELDS = {item.name: item for item in fields(Parameters)}
_QUATERNION_SLACK = 0.01  # numbers that were rounded by hand
_OF_ROS = ("use_sim_time", "start_type_description_service", "qos_overrides.")


def refuse_unknown(names) -> None:
    """Raise ParameterError for a name that is neither ours nor of ROS itself, with the nearest
    one that is.
    """
    for name in names:
        if name not in _FIELDS and not name.startswith(_OF_ROS):
            hint = f"expected one of {', '.join(_FIELDS)}"
            if near := difflib.get_close_matches(name, _FIELDS, n=1):
                hint = f"did you mean {near[0]}?"
            raise ParameterError(f"unknown parameter {name!r}: {hint}")


def declare_parameters(node, written: dict[str, str] | None = None) -> Parameters:
    """Declare every parameter on a node, with description and range, and read what the user set.

    written: texts of the command line and its files, by name, for what YAML makes something else
    of. Raises ParameterError for unknown names and refused values.
    """
    written = written or {}
    overrides = parameter_overrides(node)
    refuse_unknown(overrides)
    values = {name: value for name, value in overrides.items() if name in _FIELDS}
    meant = {
        name: as_written(_FIELDS[name].default, value, written.get(name))
        for name, value in values.items()
    }
    parameters = Parameters(**meant)  # says more than rclpy does
    given = {
        item.name: node.declare_parameter(item.name, item.default, descriptor(item)).value
        for item in fields(Parameters)
    }
    _write_back(node, parameters, given)
    return parameters


def _write_back(node, parameters: Parameters, given: dict) -> None:
    """Let others read, by service, what the node works with: 'off', not the False that YAML made
    of it.
    """
    from rclpy.parameter import Parameter

    changed = []
    for name, value in vars(parameters).items():
        is_plain = isinstance(value, (str, bool, int, float))
        if is_plain and type(value) is not type(given[name]):
            changed.append(Parameter(name, value=value))
    node.set_parameters(changed)


def descriptor(item):
    """Describe one field to ROS.

    Types are checked here and not by rclpy, which refuses 0 where 0.0 is meant.
    """
    from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

    meta = item.metadata
    msg = ParameterDescriptor(name=item.name, description=meta["text"], dynamic_typing=True)
    limits = {"from_value": meta["low"], "to_value": meta["high"]}
    if isinstance(item.default, float):
        msg.floating_point_range = [FloatingPointRange(**limits)]
    elif meta["low"] is not None:
        msg.integer_range = [IntegerRange(**limits)]
    when = "changes apply at once" if meta["live"] else "read when the node is configured"
    choices = f"one of {', '.join(meta['choices'])}; " if meta["choices"] else ""
    msg.additional_constraints = choices + when
    return msg


def _checked(item, value):
    """Refuse a value of the wrong type, or out of range; an integer is fine where a float is
    meant.
    """
    kind = type(item.default)
    meta = item.metadata
    value = as_meant(item.default, meta["choices"], value)
    if kind is float and type(value) is int:
        value = float(value)
    if kind is tuple:
        return _checked_pose(item.name, value)
    if type(value) is not kind:
        allowed = ""
        if meta["choices"]:
            allowed = f" (one of {', '.join(meta['choices'])})"
        cure = ""
        if kind is str:
            cure = f": {how_to_write(item.name, value)}"
        raise ParameterError(f"{item.name}: expected {kind.__name__}{allowed}, got {value!r}{cure}")
    if meta["choices"] and value not in meta["choices"]:
        near = nearest_choice(meta["choices"], value)
        raise ParameterError(
            f"{item.name}: expected one of {', '.join(meta['choices'])}, got {value!r}{near}"
        )
    if meta["low"] is not None and not (
        math.isfinite(value) and meta["low"] <= value <= meta["high"]
    ):
        raise ParameterError(f"{item.name}: expected {meta['low']} to {meta['high']}, got {value}")
    if item.name.endswith("_topic") and not value and item.default:
        raise ParameterError(f"{item.name}: expected a topic, got an empty name")
    return value


def _checked_pose(name: str, value) -> tuple[float, ...]:
    """Refuse what is neither empty nor x y z and a quaternion x y z w of about unit length."""
    try:
        numbers = tuple(float(number) for number in value)
    except (TypeError, ValueError):
        raise ParameterError(
            f"{name}: expected 7 numbers x y z qx qy qz qw, got {value!r}"
        ) from None
    if numbers and (len(numbers) != 7 or not all(map(math.isfinite, numbers))):
        raise ParameterError(
            f"{name}: expected 7 finite numbers x y z qx qy qz qw, got {list(numbers)}"
        )
    if numbers and abs(math.hypot(*numbers[3:]) - 1) > _QUATERNION_SLACK:
        length = math.hypot(*numbers[3:])
        raise ParameterError(
            f"{name}: expected a quaternion of length 1, got one of length {length:.3f}"
        )
    return numbers
