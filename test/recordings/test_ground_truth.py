"""Ground truth of a recording: every way in which depth is written, and poses of other frames
than the camera's.
"""

import cv2
import numpy as np
import pytest
from bags import START_NS, STEP_NS, T

from depth_ros.core.lie import inverse, matrix_to_quat
from depth_ros.core.types import Estimate
from depth_ros.doctor.recording import PROBLEM, WARNING, examine
from depth_ros.evaluation.odometry_runner import Follower
from depth_ros.odometry import EstimateConverter
from depth_ros.recordings.bag import Bag
from depth_ros.recordings.mono_bag import MonoBag
from depth_ros.recordings.requested_topics import Asked

SHAPE = (56, 96)
BODY_R_OPTICAL = np.array(
    [[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]
)  # x forward, y left, z up from right, down, forward


def nothing_but_the_image(frame):
    """An estimate of one camera that knows no depth."""
    return Estimate(
        frame.stamp_ns,
        frame.frame_id,
        None,
        frame.left,
        None,
        None,
        camera=frame.camera,
        scale="none",
    )


def compressed_depth(bag, form, payload, topic="/ground_truth/depth/compressedDepth"):
    data = np.frombuffer(payload, np.uint8)
    message = T["sensor_msgs/msg/CompressedImage"](
        header=bag.header(START_NS), format=form, data=data
    )
    bag.write(topic, message, START_NS)


def png(value):
    return cv2.imencode(".png", np.full(SHAPE, value, np.uint16))[1].tobytes()


def one_pair(bag, pair, name="image_rect", **info):
    for side, image in zip(("left", "right"), pair):
        bag.info(side, START_NS, **info)
        bag.image(side, START_NS, image, name=name)
    return bag


@pytest.mark.parametrize(
    "form, payload, topic",
    [
        (
            "16UC1; compressedDepth png",
            bytes(12) + png(2000),
            "/ground_truth/depth/compressedDepth",
        ),
        ("16UC1; compressedDepth", bytes(12) + png(2000), "/ground_truth/depth/compressedDepth"),
        ("16UC1; png compressed ", png(2000), "/ground_truth/depth/compressed"),
        # z = a / (raw - b) = 7800 / (4000 - 100)
        (
            "32FC1; compressedDepth png",
            bytes(4) + np.array([7800, 100], "<f4").tobytes() + png(4000),
            "/ground_truth/depth/compressedDepth",
        ),
    ],
)
def test_compressed_depth_is_read(bag_builder, pair, form, payload, topic):
    bag = one_pair(bag_builder(), pair)
    compressed_depth(bag, form, payload, topic)
    (sample,) = Bag(bag.close())
    np.testing.assert_allclose(sample.truth_depth, np.full(SHAPE, 2.0), rtol=1e-6)


def test_a_zero_of_compressed_depth_is_unknown(bag_builder, pair):
    bag = one_pair(bag_builder(), pair)
    compressed_depth(
        bag,
        "32FC1; compressedDepth png",
        bytes(4) + np.array([7800, 100], "<f4").tobytes() + png(0),
    )
    assert np.isnan(next(iter(Bag(bag.close()))).truth_depth).all()


def test_millimetres_in_floats_are_suspected_aloud(bag_builder, pair):
    bag = one_pair(bag_builder(), pair)
    bag.depth(START_NS, np.full(SHAPE, 2000, np.float32))
    words = [finding.words for finding in examine(bag.close()) if finding.level == PROBLEM]
    assert words == ["a median of 2000 m: millimetres in 32FC1? It would be 2 m, factor 1000"]


def test_another_depth_topic_is_offered_and_taken_when_named(bag_builder, pair):
    bag = one_pair(bag_builder(), pair)
    message = T["sensor_msgs/msg/Image"](
        header=bag.header(START_NS),
        height=56,
        width=96,
        encoding="16UC1",
        is_bigendian=0,
        step=192,
        data=np.full(SHAPE, 2000, np.uint16).reshape(-1).view(np.uint8),
    )
    bag.write("/camera/depth/image_rect_raw", message, START_NS)
    path = bag.close()
    assert next(iter(Bag(path))).truth_depth is None
    assert "/camera/depth/image_rect_raw" in " ".join(finding.words for finding in examine(path))
    assert np.all(
        next(iter(Bag(path, asked=Asked(truth="/camera/depth/image_rect_raw")))).truth_depth == 2
    )


def test_truth_of_a_raw_image_moves_with_its_pixels(bag_builder, pair, make_calibration):
    """K is 4 px further right than P: the rectified image is the raw one moved 4 px to the left."""
    known = make_calibration()
    K = (known.K[0], 0, known.K[2] + 4, *known.K[3:])
    bag = one_pair(bag_builder(), pair, name="image_raw", K=K)
    columns = np.tile(np.arange(1, 97, dtype=np.float32), (56, 1))
    bag.depth(START_NS, columns)
    truth = next(iter(Bag(bag.close()))).truth_depth
    np.testing.assert_array_equal(truth[:, :92], columns[:, 4:])
    assert np.isnan(truth[:, 92:]).all()


def odometry(bag, stamp_ns, pose, child):
    point, quat, vector = (
        T[f"geometry_msgs/msg/{name}"] for name in ("Point", "Quaternion", "Vector3")
    )
    still = T["geometry_msgs/msg/Twist"](vector(0.0, 0.0, 0.0), vector(0.0, 0.0, 0.0))
    whole = T["geometry_msgs/msg/Pose"](point(*pose[:3, 3]), quat(*matrix_to_quat(pose[:3, :3])))
    message = T["nav_msgs/msg/Odometry"](
        header=bag.header(stamp_ns, "map"),
        child_frame_id=child,
        pose=T["geometry_msgs/msg/PoseWithCovariance"](whole, np.zeros(36)),
        twist=T["geometry_msgs/msg/TwistWithCovariance"](still, np.zeros(36)),
    )
    bag.write("/ground_truth/odometry", message, stamp_ns)


def static(bag, parent, child, R, t):
    vector, quat = T["geometry_msgs/msg/Vector3"], T["geometry_msgs/msg/Quaternion"]
    transform = T["geometry_msgs/msg/Transform"](vector(*map(float, t)), quat(*matrix_to_quat(R)))
    one = T["geometry_msgs/msg/TransformStamped"](bag.header(0, parent), child, transform)
    bag.write("/tf_static", T["tf2_msgs/msg/TFMessage"]([one]), START_NS)


@pytest.mark.parametrize("slash", ["", "/"])
def test_poses_of_the_base_become_those_of_the_camera(bag_builder, pair, slash):
    bag = one_pair(bag_builder(), pair)
    static(bag, "base_link", "mast", np.eye(3), (0.5, 0.0, 1.0))
    static(bag, f"{slash}mast", "left_optical", BODY_R_OPTICAL, (0.0, 0.25, 0.0))
    world_T_base = np.eye(4)
    world_T_base[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]  # to the left by 90 degrees
    world_T_base[:3, 3] = 2, 3, 0
    odometry(bag, START_NS, world_T_base, f"{slash}base_link")
    source = Bag(bag.close())
    pose = next(iter(source)).world_T_camera
    np.testing.assert_allclose(pose[:3, 3], (2 - 0.25, 3 + 0.5, 1.0), atol=1e-12)
    np.testing.assert_allclose(
        pose[:3, 2], (0, 1, 0), atol=1e-12, err_msg="the camera looks where the robot drives"
    )
    assert source.notes == []


def test_without_a_transform_the_assumption_is_said(bag_builder, pair):
    bag = one_pair(bag_builder(), pair)
    odometry(bag, START_NS, np.eye(4), "base_link")
    source = Bag(bag.close())
    pose = next(iter(source)).world_T_camera
    np.testing.assert_array_equal(pose[:3, :3], BODY_R_OPTICAL)
    assert (
        "of a camera that looks straight ahead (REP 103)" in source.notes[0]
        and "'base_link'" in source.notes[0]
    )


def test_recorded_depth_drives_ego_motion(bag_builder):
    """A wall 3 m away moves by 4 px an image to the left: at fx 200 the camera goes 0.06 m to
    the right each time.
    """
    noise = np.random.default_rng(5).integers(0, 256, (160, 260, 3), dtype=np.uint8)
    wide = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
    numbers = {
        "K": (200, 0, 119.5, 0, 200, 79.5, 0, 0, 1),
        "P": (200, 0, 119.5, 0, 0, 200, 79.5, 0, 0, 0, 1, 0),
    }
    bag = bag_builder()
    for i in range(3):
        stamp_ns = START_NS + i * STEP_NS
        bag.info("left", stamp_ns, width=240, height=160, **numbers)
        bag.image("left", stamp_ns, np.ascontiguousarray(wide[:, 4 * i : 240 + 4 * i]))
        bag.depth(stamp_ns + 2_000_000, np.full((160, 240), 3, np.float32))
    path = bag.close()
    asked = Asked(depth="/ground_truth/depth")
    assert next(iter(MonoBag(path, asked))).recorded_depth is None, "2 ms apart"
    samples = list(MonoBag(path, asked, tolerance_ns=3_000_000))
    assert all(np.all(sample.recorded_depth == 3) for sample in samples)
    estimates = [nothing_but_the_image(sample.frame) for sample in samples]
    frame, _ = EstimateConverter().convert(estimates[0], samples[0].recorded_depth)
    assert np.all(frame.depth == 3) and frame.right is None and frame.baseline_m is None
    follower = Follower()
    for sample, estimate in zip(samples, estimates):
        follower.update(estimate, None, sample.recorded_depth)
    assert follower.track.scale == "depth" and follower.track.states[-1] == "tracking"
    first, _, last = follower.track.odom_T_camera
    pose = inverse(first) @ last
    np.testing.assert_allclose(pose[:3, 3], (0.12, 0, 0), atol=0.005)
    np.testing.assert_allclose(pose[:3, :3], np.eye(3), atol=0.002)


@pytest.mark.parametrize(
    "frame_id, info_frame, level, words, read",
    [
        ("", "", PROBLEM, "no output can be placed on the robot", ""),
        ("", "/cam", WARNING, "that of camera_info is read instead, 'cam'", "cam"),
        ("/cam", "cam", WARNING, "read as 'cam'", "cam"),
    ],
)
def test_frame_ids_that_tf2_refuses_are_named_and_cured(
    bag_builder, pair, frame_id, info_frame, level, words, read
):
    bag = bag_builder()
    header = bag.header
    for side, image in zip(("left", "right"), pair):
        bag.header = lambda stamp_ns: header(stamp_ns, info_frame)
        bag.info(side, START_NS)
        bag.header = header
        bag.image(side, START_NS, image, header=header(START_NS, frame_id))
    path = bag.close()
    told = [one for one in examine(path) if "frame_id" in one.words]
    assert [one.level for one in told] == [level, level] and words in told[0].words
    assert next(iter(Bag(path))).frame.frame_id == read
    assert next(iter(MonoBag(path))).frame.frame_id == read
