"""Tiny bags and scenes with known geometry: every pixel of a pair has the same whole disparity."""

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from depth_ros.core.lie import matrix_to_quat
from depth_ros.recordings.output import encode_image
from depth_ros.recordings.scenes import write_pfm

STORE = get_typestore(Stores.ROS2_JAZZY)
T = STORE.types
START_NS = 1_700_000_000_000_000_000
STEP_NS = 100_000_000
DISPARITY_PX = 12


class BagBuilder:
    """Write messages in the order they are given; every field of them can be made wrong."""

    def __init__(self, path, calibration, storage=StoragePlugin.MCAP):
        self.path, self.calibration = path, calibration
        self._writer = Writer(path, version=9, storage_plugin=storage)
        self._writer.open()
        self._connections = {}

    def close(self):
        self._writer.close()
        return self.path

    def header(self, stamp_ns, frame_id="left_optical"):
        stamp = T["builtin_interfaces/msg/Time"](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
        return T["std_msgs/msg/Header"](stamp=stamp, frame_id=frame_id)

    def write(self, topic, message, log_ns):
        kind = message.__msgtype__
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(topic, kind, typestore=STORE)
        self._writer.write(self._connections[topic], log_ns, STORE.serialize_cdr(message, kind))

    def info(self, side, stamp_ns, log_ns=None, **changes):
        cal = self.calibration(**{"baseline_m": 0.21 if side == "right" else 0.0, **changes})
        arrays = {name: np.array(getattr(cal, name.upper()), np.float64) for name in "dkrp"}
        roi = T["sensor_msgs/msg/RegionOfInterest"](
            x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
        )
        message = T["sensor_msgs/msg/CameraInfo"](
            header=self.header(stamp_ns),
            height=cal.height,
            width=cal.width,
            distortion_model=cal.model,
            binning_x=0,
            binning_y=0,
            roi=roi,
            **arrays,
        )
        self.write(f"/{side}/camera_info", message, log_ns or stamp_ns)

    def image(self, side, stamp_ns, image, log_ns=None, name="image_rect", **changes):
        fields = {
            "height": image.shape[0],
            "width": image.shape[1],
            "encoding": "rgb8",
            "is_bigendian": 0,
        }
        fields = {
            **fields,
            "step": image.strides[0],
            "data": np.ascontiguousarray(image).reshape(-1).view(np.uint8),
        }
        message = T["sensor_msgs/msg/Image"](
            **{"header": self.header(stamp_ns), **fields, **changes}
        )
        self.write(f"/{side}/{name}", message, log_ns or stamp_ns)

    def compressed(self, side, stamp_ns, image, data=None):
        data = np.frombuffer(data or encode_image(image), np.uint8)
        message = T["sensor_msgs/msg/CompressedImage"](
            header=self.header(stamp_ns), format="png", data=data
        )
        self.write(f"/{side}/image_rect/compressed", message, stamp_ns)

    def depth(self, stamp_ns, depth):
        message = T["sensor_msgs/msg/Image"](
            header=self.header(stamp_ns),
            height=depth.shape[0],
            width=depth.shape[1],
            encoding="32FC1",
            is_bigendian=0,
            step=4 * depth.shape[1],
            data=depth.astype("<f4").reshape(-1).view(np.uint8),
        )
        self.write("/ground_truth/depth", message, stamp_ns)

    def odometry(self, stamp_ns, world_T_camera):
        point, quat, vector = (
            T[f"geometry_msgs/msg/{name}"] for name in ("Point", "Quaternion", "Vector3")
        )
        pose = T["geometry_msgs/msg/Pose"](
            point(*world_T_camera[:3, 3]), quat(*matrix_to_quat(world_T_camera[:3, :3]))
        )
        still = T["geometry_msgs/msg/Twist"](
            linear=vector(0.0, 0.0, 0.0), angular=vector(0.0, 0.0, 0.0)
        )
        message = T["nav_msgs/msg/Odometry"](
            header=self.header(stamp_ns, "world"),
            child_frame_id="left_optical",
            pose=T["geometry_msgs/msg/PoseWithCovariance"](pose=pose, covariance=np.zeros(36)),
            twist=T["geometry_msgs/msg/TwistWithCovariance"](twist=still, covariance=np.zeros(36)),
        )
        self.write("/ground_truth/odometry", message, stamp_ns)


@pytest.fixture
def bag_builder(tmp_path, make_calibration):
    """A factory of builders: bag_builder(name, storage)."""
    return lambda name="bag", storage=StoragePlugin.MCAP: BagBuilder(
        tmp_path / name, make_calibration, storage
    )


@pytest.fixture
def pair(make_pair):
    """A pair with a disparity of DISPARITY_PX everywhere."""
    return make_pair(DISPARITY_PX)


@pytest.fixture
def make_bag(bag_builder, pair, rig):
    """A factory: a good bag of n pairs with ground truth, or with a change to one of its steps."""

    def make(n=3, name="bag", storage=StoragePlugin.MCAP, truth=True):
        bag = bag_builder(name, storage)
        depth = np.full(pair[0].shape[:2], rig.left.fx * rig.baseline_m / DISPARITY_PX, np.float32)
        for stamp_ns in range(START_NS, START_NS + n * STEP_NS, STEP_NS):
            for side, image in zip(("left", "right"), pair, strict=True):
                bag.info(side, stamp_ns)
                bag.image(side, stamp_ns, image)
            if truth:
                bag.depth(stamp_ns, depth)
        return bag.close()

    return make


@pytest.fixture
def make_scene(tmp_path, pair):
    """A factory: a folder of one scene in the Middlebury layout."""

    def make(name="Room", nominal=False):
        folder = tmp_path / "scenes" / name
        folder.mkdir(parents=True)
        for i, image in enumerate(pair):
            cv2.imwrite(str(folder / f"im{i}.png"), image[..., ::-1])
        height, width = pair[0].shape[:2]
        lines = [
            "cam0=[80.0 0 44.25; 0 84.0 30.5; 0 0 1]",
            "cam1=[80.0 0 46.25; 0 84.0 30.5; 0 0 1]",
            "doffs=2.0",
        ]
        lines += ["baseline=210.0", f"width={width}", f"height={height}", "ndisp=32"]
        (folder / "calib.txt").write_text("\n".join(lines + ["nominal=1"] * nominal) + "\n")
        write_pfm(folder / "disp0.pfm", np.full((height, width), DISPARITY_PX, np.float32))
        return folder.parent

    return make


@pytest.fixture
def mono_bag(bag_builder, pair):
    """A factory: three images of one camera, of a wall at truth_m; every message's name can be
    changed.
    """

    def make(truth_m=5.0, name="image_rect", **changes):
        bag = bag_builder("mono")
        for stamp_ns in range(START_NS, START_NS + 3 * STEP_NS, STEP_NS):
            bag.info("camera", stamp_ns, **changes)
            bag.image("camera", stamp_ns, pair[0], name=name)
            bag.image("right", stamp_ns, pair[1], name="image_blurred")
            if truth_m:
                bag.depth(stamp_ns, np.full(pair[0].shape[:2], truth_m, np.float32))
        return bag.close()

    return make
