"""Bags: what becomes a frame, what is dropped and why, what is refused."""

import numpy as np
import pytest
from bags import DISPARITY_PX, START_NS, STEP_NS
from rosbags.rosbag2 import StoragePlugin

from depth_ros.core.errors import InputError
from depth_ros.recordings.bag import Bag
from depth_ros.recordings.requested_topics import Asked
from depth_ros.recordings.sample import open_source


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_frames_of_a_good_bag(make_bag, storage, pair, rig):
    bag = open_source(make_bag(storage=storage))
    samples = list(bag)
    assert [sample.frame.stamp_ns for sample in samples] == [
        START_NS + i * STEP_NS for i in range(3)
    ]
    np.testing.assert_array_equal(samples[1].frame.right, pair[1])
    assert samples[0].frame.rig.left == rig.left and samples[0].frame.calibrations is None
    assert samples[0].frame.rig.baseline_m == pytest.approx(0.21)
    assert samples[2].truth_depth[5, 7] == np.float32(rig.left.fx * rig.baseline_m / DISPARITY_PX)
    assert bag.drops == {} and len(bag) == 3


def test_raw_images_carry_their_calibrations(bag_builder, pair, make_calibration):
    bag = bag_builder()
    for side, image in zip(("left", "right"), pair, strict=True):
        bag.info(side, START_NS, D=(0.1, 0, 0, 0, 0))
        bag.image(side, START_NS, image, name="image_raw")
    (sample,) = Bag(bag.close())
    assert sample.frame.calibrations[0] == make_calibration(D=(0.1, 0, 0, 0, 0))


def test_every_unusable_message_is_counted(bag_builder, pair):
    bag = bag_builder()
    left, right = pair
    for side in ("left", "right"):
        bag.info(side, START_NS)
    for i in range(4):
        stamp_ns = START_NS + i * STEP_NS
        bag.image("left", stamp_ns, left, **({"encoding": "yuv9"} if i == 1 else {}))
        if i != 2:
            bag.image("right", stamp_ns, right)
    bag.image("left", START_NS + 4 * STEP_NS, left)
    source = Bag(bag.close())
    assert [sample.frame.stamp_ns for sample in source] == [START_NS, START_NS + 3 * STEP_NS]
    assert source.drops == {"bad_image": 1, "unmatched": 2}
    assert "yuv9" in source.reasons["bad_image"]


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("mode", ["stereo", "mono"])
def test_bits_of_sixteen_are_scaled_as_the_node_scales_them(bag_builder, pair, bits, mode):
    """The same pictures, digitised by fewer bits, are the same frames: not darker ones."""
    bag = bag_builder()
    grey = [image[..., 1] for image in pair]
    for side, image in zip(("left", "right"), grey, strict=True):
        bag.info(side, START_NS)
        levels = image.astype(np.float64) * ((2**bits - 1) / 255)
        bag.image(side, START_NS, levels.astype("<u2"), encoding="mono16")
    source = Bag(bag.close(), mode)
    (sample,) = source
    images = [sample.frame.left, sample.frame.right][: len(source.topics.images)]
    for image, wanted in zip(images, grey, strict=False):
        assert np.abs(image[..., 1].astype(int) - wanted).max() <= 1
    assert any(f"use {bits} bits" in note for note in source.notes) == (bits < 16)


def test_both_sides_are_scaled_alike(bag_builder, pair):
    """A right camera that sees a darker half must not be stretched to the left one's contrast."""
    bag = bag_builder()
    levels = pair[0][..., 1].astype("<u2") * 4
    for side, image in (("left", levels), ("right", levels // 4)):
        bag.info(side, START_NS)
        bag.image(side, START_NS, image, encoding="mono16")
    (sample,) = Bag(bag.close())
    ratio = sample.frame.right.astype(float).mean() / sample.frame.left.mean()
    assert ratio == pytest.approx(0.25, abs=0.02)


def test_a_mono_reader_takes_the_left_image_that_was_named(make_bag):
    source = Bag(make_bag(), "mono", Asked(left_image="/left/image_rect"))
    assert source.mode == "mono" and [sample.frame.right for sample in source] == [None] * 3


def test_tolerance_pairs_what_is_apart(bag_builder, pair):
    bag = bag_builder()
    for side, image, offset in (("left", pair[0], 0), ("right", pair[1], 2_000_000)):
        bag.info(side, START_NS + offset)
        bag.image(side, START_NS + offset, image)
    path = bag.close()
    assert len(list(Bag(path))) == 0
    assert len(list(Bag(path, tolerance_ns=2_000_000))) == 1


def test_calibration_in_force_at_the_time(bag_builder, pair):
    bag = bag_builder()
    for i, width in enumerate((0.21, 0.42)):
        bag.info("left", START_NS + i * STEP_NS)
        bag.info("right", START_NS + i * STEP_NS, baseline_m=width)
        for side, image in zip(("left", "right"), pair, strict=True):
            bag.image(side, START_NS + i * STEP_NS, image)
    assert [round(sample.frame.rig.baseline_m, 6) for sample in Bag(bag.close())] == [0.21, 0.42]


@pytest.mark.parametrize(
    "change, words",
    [
        ({"K": (0,) * 9}, "K: expected positive focal lengths"),
        ({"baseline_m": -0.2}, "swapped"),
        ({"P": (float("nan"),) * 12}, "P: expected finite"),
        ({"width": 95}, "expected two cameras of one size"),
    ],
)
def test_bad_calibration_drops_with_its_reason(bag_builder, pair, change, words):
    bag = bag_builder()
    for side, image in zip(("left", "right"), pair, strict=True):
        bag.info(side, START_NS, **(change if side == "right" else {}))
        bag.image(side, START_NS, image)
    source = Bag(bag.close())
    assert list(source) == [] and source.drops == {"bad_calibration": 1}
    assert words in source.reasons["bad_calibration"]


def test_missing_camera_info_is_named(bag_builder, pair):
    bag = bag_builder()
    for side, image in zip(("left", "right"), pair, strict=True):
        bag.image(side, START_NS, image)
    with pytest.raises(InputError, match="left CameraInfo"):
        Bag(bag.close())


def test_empty_bag(bag_builder):
    with pytest.raises(InputError, match="expected messages in the bag, got an empty one|broken"):
        Bag(bag_builder().close())


@pytest.mark.parametrize("keep", [0, 40, 0.5, 0.95])
@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_truncated_bag_is_an_input_error(make_bag, keep, storage):
    path = make_bag(storage=storage)
    (file,) = (child for child in path.iterdir() if child.suffix in (".mcap", ".db3"))
    content = file.read_bytes()
    file.write_bytes(content[: int(keep * len(content)) if keep < 1 else keep])
    with pytest.raises(InputError, match="expected"):
        list(Bag(path))


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_bag_without_metadata_is_read_and_said(make_bag, storage):
    path = make_bag(storage=storage)
    (path / "metadata.yaml").unlink()
    source = open_source(path)
    assert len(list(source)) == 3
    assert source.notes == [
        "no metadata.yaml beside the bag's files, read without it (ros2 bag reindex makes it)"
    ]


def test_broken_metadata(make_bag):
    path = make_bag()
    (path / "metadata.yaml").write_text("rosbag2_bagfile_information: [")
    with pytest.raises(InputError, match="readable rosbag2"):
        open_source(path)
