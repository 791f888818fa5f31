"""Recordings that are not as they should be, and whose cameras are intact all the same."""

import re
import shutil
import sqlite3

import numpy as np
import pytest
from bags import START_NS, STEP_NS
from rosbags import rosbag1
from rosbags.rosbag2 import StoragePlugin
from rosbags.typesys import Stores, get_typestore

from depth_ros.core.errors import InputError
from depth_ros.recordings.bag import Bag
from depth_ros.recordings.reader import cdr_stamp_ns, is_bag, open_reader, raw_messages
from depth_ros.recordings.sample import open_source

BOTH = pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
STAMPS = [START_NS + i * STEP_NS for i in range(3)]


def stamps(path):
    return [sample.frame.stamp_ns for sample in open_source(path)]


def change_metadata(path, pattern, new):
    file = path / "metadata.yaml"
    text, count = re.subn(pattern, new, file.read_text())
    assert count, "the metadata are not what this test thinks"
    file.write_text(text)


@BOTH
def test_an_empty_storage_identifier(make_bag, storage):
    """As `ros2 bag reindex` left it."""
    path = make_bag(storage=storage)
    change_metadata(path, r"storage_identifier: \S+", "storage_identifier: ''")
    assert stamps(path) == STAMPS


@BOTH
def test_metadata_that_tells_another_story(make_bag, storage):
    path = make_bag(storage=storage)
    change_metadata(path, r"name: /right/image_rect", "name: /other/image")
    change_metadata(path, r"message_count: \d+", "message_count: 1")
    change_metadata(path, r"type: sensor_msgs/msg/CameraInfo", "type: sensor_msgs/msg/Imu")
    assert stamps(path) == STAMPS


@BOTH
def test_a_lone_file(make_bag, tmp_path, storage):
    path = make_bag(storage=storage)
    (file,) = (child for child in path.iterdir() if child.name != "metadata.yaml")
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.move(file, alone / file.name)
    source = open_source(alone / file.name)
    assert [sample.frame.stamp_ns for sample in source] == STAMPS
    assert "ros2 bag reindex" in source.notes[0]
    assert is_bag(alone) and is_bag(alone / file.name)


def test_a_topic_with_an_unknown_definition_is_left_alone(make_bag):
    path = make_bag(storage=StoragePlugin.SQLITE3)
    (file,) = path.glob("*.db3")
    with sqlite3.connect(file) as database:
        database.execute(
            "UPDATE message_definitions SET encoding = 'unknown', "
            "encoded_message_definition = 'what?'"
        )
        database.execute(
            "UPDATE topics SET offered_qos_profiles = '- history: [' WHERE name LIKE '%truth%'"
        )
    assert stamps(path) == STAMPS


def test_a_definition_that_is_no_message_is_left_alone(make_bag):
    """The schema's encoding of every channel of an mcap becomes one that nobody knows."""
    path = make_bag()
    (file,) = path.glob("*.mcap")
    content = file.read_bytes()
    assert content.count(b"ros2msg") > 1
    file.write_bytes(content.replace(b"ros2msg", b"unknown"))
    assert stamps(path) == STAMPS


def test_files_of_a_split_bag_that_are_not_named(make_bag):
    path = make_bag()
    (file,) = path.glob("*.mcap")
    change_metadata(path, file.name, "bag_7.mcap")
    source = open_source(path)
    assert len(list(source)) == 3
    assert source.notes == [f"metadata.yaml names bag_7.mcap, not there: read {file.name}"]


def test_a_bag_that_was_cut_off_names_the_cure(make_bag):
    path = make_bag()
    (file,) = path.glob("*.mcap")
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match="broken one: .*mcap recover"):
        open_source(path)


def test_nothing_at_a_path_and_another_file(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    for path, words in (
        (tmp_path / "no", "got nothing at this path"),
        (tmp_path / "notes.txt", "got this file"),
    ):
        with pytest.raises(InputError, match=words), open_reader(path):
            pass


@pytest.fixture
def ros1_bag(tmp_path, pair):
    """Two stereo frames in a ROS 1 bag; camera_info has capital letters there, headers have a
    sequence number.
    """
    store = get_typestore(Stores.ROS1_NOETIC)
    T = store.types
    path = tmp_path / "old.bag"
    with rosbag1.Writer(path) as writer:
        connections = {}
        for seq, stamp_ns in enumerate(STAMPS[:2]):
            time = T["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 10**9))
            header = T["std_msgs/msg/Header"](seq, time, "left_optical")
            for side, picture in zip(("left", "right"), pair):
                height, width = picture.shape[:2]
                message = T["sensor_msgs/msg/Image"](
                    header, height, width, "rgb8", 0, 3 * width, picture.reshape(-1)
                )
                roi = T["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
                K, R = np.array([80.0, 0, 44, 0, 84, 30, 0, 0, 1]), np.eye(3).reshape(-1)
                P = np.array(
                    [80.0, 0, 44, -16.8 if side == "right" else 0.0, 0, 84, 30, 0, 0, 0, 1, 0]
                )
                known = T["sensor_msgs/msg/CameraInfo"](
                    header, height, width, "plumb_bob", np.zeros(5), K, R, P, 0, 0, roi
                )
                for topic, one in (
                    (f"/{side}/image_rect", message),
                    (f"/{side}/camera_info", known),
                ):
                    if topic not in connections:
                        connections[topic] = writer.add_connection(
                            topic, one.__msgtype__, typestore=store
                        )
                    writer.write(
                        connections[topic], stamp_ns, store.serialize_ros1(one, one.__msgtype__)
                    )
    return path


@pytest.mark.parametrize("as_folder", [False, True])
def test_a_ros1_bag_is_read_and_named(ros1_bag, pair, as_folder):
    source = open_source(ros1_bag.parent if as_folder else ros1_bag)
    samples = list(source)
    assert [sample.frame.stamp_ns for sample in samples] == STAMPS[:2]
    np.testing.assert_array_equal(samples[1].frame.right, pair[1])
    assert samples[0].frame.rig.baseline_m == pytest.approx(0.21)
    assert "a ROS 1 bag: rosbags-convert --src" in source.notes[0]


def test_messages_of_a_ros1_bag_come_as_cdr(ros1_bag):
    with open_reader(ros1_bag) as reader:
        raws = [raw for _, _, raw in raw_messages(reader, "/left/image_rect")]
    assert [cdr_stamp_ns(raw) for raw in raws] == STAMPS[:2]


def test_a_bag_is_read_with_a_log_left_by_a_killed_recorder(make_bag):
    path = make_bag(storage=StoragePlugin.SQLITE3)
    (file,) = path.glob("*.db3")
    database = sqlite3.connect(file)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("DELETE FROM messages WHERE timestamp = ?", (STAMPS[2],))
    database.commit()
    copy = path.parent / "killed"
    shutil.copytree(path, copy)  # the log is not merged before the database is closed
    database.close()
    assert (copy / f"{file.name}-wal").stat().st_size > 0
    assert len(list(Bag(copy))) == 2
