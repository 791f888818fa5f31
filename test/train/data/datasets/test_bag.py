"""Bags as views: the right message at the right index, cameras and truth with it, and nothing
across parts.
"""

import doctest
import os
import pickle

import numpy as np
import pytest
from bags import START_NS, STEP_NS, STORE, BagBuilder, T
from rosbags.rosbag2 import StoragePlugin

from depth_ros.core.errors import CalibrationError, InputError
from train.data.datasets import bag as bag_module
from train.data.datasets.bag import BagFrames, read_bag
from train.data.datasets.bag_index import block_parts, runs


def picture(number, side="left"):
    """A picture that says which one it is, in every pixel."""
    return np.full((56, 96, 3), (number, 40 if side == "left" else 90, 200), np.uint8)


@pytest.fixture
def build(tmp_path, make_calibration):
    """A factory: build(name) -> BagBuilder with both camera_infos."""

    def make(name="bag", storage=StoragePlugin.MCAP, sides=("left", "right"), **changes):
        builder = BagBuilder(tmp_path / name, make_calibration, storage)
        for side in sides:
            builder.info(side, START_NS, **changes)
        return builder

    return make


def drive(builder, count, sides=("left", "right"), step_ns=STEP_NS, first=0):
    for i in range(first, first + count):
        for side in sides:
            builder.image(side, START_NS + i * step_ns, picture(i, side))
    return builder


def test_views_of_ten_bits_are_those_of_eight_in_any_order(build):
    grey = np.random.default_rng(1).integers(0, 256, (56, 96)).astype("<u2")
    builder = build("ten", sides=("left",))
    for number in range(24):
        builder.image(
            "left", START_NS + number * STEP_NS, grey * 4 // (1 + number % 2), encoding="mono16"
        )
    forwards = BagFrames(builder.close())
    backwards = BagFrames(forwards.path)
    seen = [backwards[k].image for k in reversed(range(24))][::-1]
    for number, image in enumerate(seen):
        wanted = grey.astype(int) // (1 + number % 2)
        assert np.abs(image[..., 0].astype(int) - wanted).max() <= 1
        np.testing.assert_array_equal(image, forwards[number].image)


def odometry(builder, stamp_ns, position):
    """Write a pose turned by half a turn about the first axis."""
    names = (
        "Point",
        "Quaternion",
        "Pose",
        "PoseWithCovariance",
        "Vector3",
        "Twist",
        "TwistWithCovariance",
    )
    kinds = {name: T[f"geometry_msgs/msg/{name}"] for name in names}
    zero = kinds["Vector3"](x=0.0, y=0.0, z=0.0)
    pose = kinds["Pose"](
        position=kinds["Point"](**dict(zip("xyz", position))),
        orientation=kinds["Quaternion"](x=1.0, y=0.0, z=0.0, w=0.0),
    )
    message = T["nav_msgs/msg/Odometry"](
        header=builder.header(stamp_ns, "world"),
        child_frame_id="left_optical",
        pose=kinds["PoseWithCovariance"](pose=pose, covariance=np.zeros(36)),
        twist=kinds["TwistWithCovariance"](
            twist=kinds["Twist"](linear=zero, angular=zero), covariance=np.zeros(36)
        ),
    )
    builder.write("/ground_truth/odometry", message, stamp_ns)


def test_examples():
    assert doctest.testmod(bag_module).failed == 0
    assert STORE is not None


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_views_in_any_order(build, storage, rig):
    frames = BagFrames(drive(build(storage=storage), 5).close(), cache_mb=0)
    assert len(frames) == 5
    for i in (3, 0, 4, 3):
        view = frames[i]
        np.testing.assert_array_equal(view.image, picture(i))
        np.testing.assert_array_equal(view.right, picture(i, "right"))
        assert view.camera == rig.left and view.baseline_m == pytest.approx(0.21)
        assert (
            view.stamp_ns == START_NS + i * STEP_NS
            and view.depth is None
            and view.world_T_camera is None
        )
    frames.close()


def test_truth_comes_with_its_stamp(build):
    builder = drive(build(), 3)
    depth = np.full((56, 96), 4.0, np.float32)
    depth[3, 5] = 0  # unknown
    builder.depth(START_NS + STEP_NS, depth)
    odometry(builder, START_NS + STEP_NS, (1.0, -2.0, 3.0))
    frames = BagFrames(builder.close())
    assert [frames[i].depth is None for i in range(3)] == [True, False, True]
    view = frames[1]
    assert view.depth[0, 0] == 4.0 and np.isnan(view.depth[3, 5])
    expected = [[1, 0, 0, 1], [0, -1, 0, -2], [0, 0, -1, 3], [0, 0, 0, 1]]
    np.testing.assert_allclose(view.world_T_camera, expected, atol=1e-12)


def test_mono_and_compressed(build, camera):
    builder = build(sides=("front",))
    for i in range(3):
        builder.compressed("front", START_NS + i * STEP_NS, picture(i))
    view = BagFrames(builder.close())[2]
    np.testing.assert_array_equal(view.image, picture(2))
    assert view.camera == camera and view.right is None and view.baseline_m is None


def test_raw_images_are_rectified(build, camera):
    """A lens of half the focal length: the rectified picture shows what lay halfway from the
    axis, twice as large.
    """
    K = (40.0, 0, 44.25, 0, 42.0, 30.5, 0, 0, 1)
    builder = build(sides=("left",), K=K)
    ramp = np.broadcast_to(np.arange(96, dtype=np.uint8)[None, :, None] * 2, (56, 96, 3))
    builder.image("left", START_NS, np.ascontiguousarray(ramp), name="image_raw")
    view = BagFrames(builder.close())[0]
    assert view.camera == camera
    expected = 2 * (44.25 + (np.arange(96) - 44.25) / 2)
    assert np.abs(view.image[20, :, 1] - expected).max() <= 1.0


def test_principal_points_that_differ_are_brought_together(build):
    builder = build(sides=("left",))
    builder.info("right", START_NS, P=(80.0, 0, 47.25, -80 * 0.21, 0, 84.0, 30.5, 0, 0, 0, 1, 0))
    ramp = np.ascontiguousarray(
        np.broadcast_to(np.arange(96, dtype=np.uint8)[None, :, None], (56, 96, 3))
    )
    for side in ("left", "right"):
        builder.image(side, START_NS, ramp)
    view = BagFrames(builder.close())[0]
    np.testing.assert_array_equal(view.right[10, :90], ramp[10, 3:93])  # cx_right - cx_left = 3 px


def test_neighbours_end_at_gaps(build):
    frames = BagFrames(drive(drive(build(), 4), 3, first=9).close())
    assert [frames.neighbour(i, 1) for i in range(7)] == [1, 2, 3, None, 5, 6, None]
    assert (
        frames.neighbour(4, -1) is None
        and frames.neighbour(0, 3) == 3
        and frames.neighbour(0, -1) is None
    )


def test_parts_share_no_frame_and_no_neighbour():
    stamps = np.arange(500) * STEP_NS
    names = block_parts(stamps)
    assert {name: names.count(name) for name in ("train", "val", "test")} == {
        "train": 420,
        "val": 40,
        "test": 40,
    }
    for part in ("train", "val", "test"):
        numbers = runs(stamps, names, (part,))
        assert [name for name, run in zip(names, numbers) if run >= 0] == [part] * names.count(part)
        assert all(
            names[i] == names[i + 1] for i in range(499) if numbers[i] == numbers[i + 1] >= 0
        )
    assert (runs(stamps, names, None) == 0).all()
    together = runs(stamps, names, ("val", "test"))
    assert all(
        together[i] == together[i + 1]
        for i in range(499)
        if {names[i], names[i + 1]} == {"val", "test"}
    )


def test_parts_of_a_bag(build):
    path = drive(build(), 30).close()
    parts = {part: read_bag(path, part=part) for part in ("train", "val", "test")}
    assert [len(parts[part]) for part in parts] == [24, 3, 3]
    assert parts["test"][0].image[0, 0, 0] == 24 and parts["val"][2].image[0, 0, 0] == 29
    assert (
        parts["train"].neighbour(23, 1) is None and parts["test"].neighbour(2, 1) is None
    )  # held out for others
    assert len(read_bag(path, split="all", part="val")) == 30
    with pytest.raises(InputError, match="split"):
        read_bag(path, split="half")


def test_unpaired_and_double_stamps_are_counted(build):
    builder = drive(build(), 2)
    builder.image("left", START_NS + 7 * STEP_NS, picture(7))
    builder.image("left", START_NS + STEP_NS, picture(9), log_ns=START_NS + 8 * STEP_NS)
    frames = BagFrames(builder.close())
    assert len(frames) == 2 and frames.drops == {"duplicate_stamp": 1, "unmatched": 1}
    assert frames[1].image[0, 0, 0] == 1


def test_stamps_that_nearly_pair(build):
    builder = build()
    for side, late in (("left", 0), ("right", 3_000_000)):
        builder.image(side, START_NS + late, picture(0, side))
    path = builder.close()
    with pytest.raises(InputError, match="pair"):
        BagFrames(path)
    assert BagFrames(path, tolerance_ns=3_000_000)[0].right[0, 0, 1] == 90


def test_what_cannot_be_used_is_refused(build, tmp_path):
    with pytest.raises(CalibrationError, match="calibrated"):
        BagFrames(drive(build("zero", K=(0,) * 9), 2).close())
    with pytest.raises(InputError, match="camera_info|CameraInfo"):
        BagFrames(drive(build("blind", sides=()), 2).close())
    broken = build("broken")
    for side in ("left", "right"):
        broken.image(side, START_NS, picture(0), encoding="yuv9")
    with pytest.raises(InputError, match="yuv9"):
        BagFrames(broken.close())[0]
    with pytest.raises(InputError, match="metadata"):
        BagFrames(tmp_path / "nowhere")


def test_a_copy_in_another_process_reads_for_itself(build):
    frames = BagFrames(drive(build(), 3).close())
    np.testing.assert_array_equal(frames[0].image, picture(0))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(frames))[1].image, picture(1))
    reader, other = os.pipe()
    if (child := os.fork()) == 0:
        os.write(other, bytes([int(frames[2].image[0, 0, 0])]))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 1) == bytes([2])
    np.testing.assert_array_equal(frames[1].image, picture(1))


def test_a_real_recording(shared_data):
    frames = read_bag(shared_data / "bags" / "kitti_raw0001_stereo_color", part="test")
    view = frames[0]
    assert view.image.shape == view.right.shape == (
        375,
        1242,
        3,
    ) and view.baseline_m == pytest.approx(0.5327, abs=1e-4)
