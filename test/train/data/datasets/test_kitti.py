"""KITTI raw, odometry and depth, from miniature files in the official layouts."""

import pickle

import numpy as np
import pytest

from depth_ros.core.errors import InputError
from train.data import read

DAY, DRIVE = "2011_09_26", "2011_09_26_drive_0001_sync"
# fx = fy = 10, principal point (5, 3); cam2 lies 0.1 m left of cam0 and 0.02 m behind it, cam3 0.4
# m right
P2 = "10 0 5 1.1 0 10 3 0.06 0 0 1 0.02"
P3 = "10 0 5 -3.9 0 10 3 0.06 0 0 1 0.02"
CALIB = (
    "calib_time: 09-Jan-2012 13:57:47\nR_rect_00: 1 0 0 0 1 0 0 0 1\nP_rect_02: "
    f"{P2}\nP_rect_03: {P3}\n"
)
VELO = "calib_time: 15-Mar-2012 11:37:16\nR: 0 -1 0 0 0 -1 1 0 0\nT: 0 0 0\n"
POINT = np.array([[9.98, -0.9, -1.0, 0.5]], "<f4")  # 10 m in front of cam2, x 1.0 and y 1.0


@pytest.fixture
def raw(tmp_path, put_image, put_text, ramp):
    """Five frames of a drive, the ramp on the left of frame 2 and on the right of frame 3."""
    put_text(tmp_path / DAY / "calib_cam_to_cam.txt", CALIB)
    put_text(tmp_path / DAY / "calib_velo_to_cam.txt", VELO)
    drive = tmp_path / DAY / DRIVE
    for number in range(5):
        put_image(drive / f"image_02/data/{number:010d}.png", ramp if number == 2 else 10 * number)
        put_image(drive / f"image_03/data/{number:010d}.png", ramp if number == 3 else 100 + number)
    put_text(
        drive / "image_02/timestamps.txt",
        "".join(f"1970-01-01 00:00:0{n}.500000000\n" for n in range(5)),
    )
    velodyne = drive / "velodyne_points/data/0000000002.bin"
    velodyne.parent.mkdir(parents=True)
    POINT.tofile(velodyne)
    put_text(
        tmp_path / "splits/eigen_zhou/train_files.txt", f"{DAY}/{DRIVE} 2 l\n{DAY}/{DRIVE} 3 r\n"
    )
    put_text(tmp_path / "splits/eigen/test_files.txt", f"{DAY}/{DRIVE} 4 l\n")
    return tmp_path


def test_raw_pair_camera_and_stamp(raw, ramp):
    frames = read("kitti_raw", raw, "eigen_zhou", "train")
    assert len(frames) == 2
    view = frames[0]
    np.testing.assert_array_equal(view.image, ramp)
    assert (view.right == 102).all() and view.stamp_ns == 2_500_000_000
    assert (view.camera.fx, view.camera.cx, view.camera.cy) == (10, 5, 3)
    assert view.baseline_m == pytest.approx(0.5)


def test_raw_lidar_point_lies_where_geometry_puts_it(raw):
    view = read("kitti_raw", raw)[0]
    # velodyne (9.98, -0.9, -1.0) is (0.9, 1.0, 9.98) in cam0 and (1.0, 1.0, 10) in cam2: u = 5 + 1,
    # v = 3 + 1
    assert np.argwhere(np.isfinite(view.depth)).tolist() == [[4, 6]]
    assert view.depth[4, 6] == pytest.approx(10.0)


def test_raw_neighbours_outside_of_the_split(raw):
    frames = read("kitti_raw", raw)
    after, before = frames.neighbour(0, 1), frames.neighbour(0, -1)
    assert (frames[after].image == 30).all() and (frames[before].image == 10).all()
    assert frames.neighbour(0, 3) is None
    assert [view.name for view in frames] == [f"{DAY}/{DRIVE} l 2", f"{DAY}/{DRIVE} r 3"]


def test_a_right_frame_is_the_pair_in_a_mirror(raw, ramp):
    view = read("kitti_raw", raw)[1]
    np.testing.assert_array_equal(view.image, ramp[:, ::-1])
    assert (view.right == 30).all() and view.baseline_m == pytest.approx(0.5)
    assert view.camera.cx == 12 - 1 - 5


def test_raw_test_part_and_whole_drives(raw):
    assert (read("kitti_raw", raw, part="test")[0].image == 40).all()
    assert len(read("kitti_raw", raw, "all", "train")) == 4


def test_raw_says_what_is_missing(raw):
    with pytest.raises(InputError, match="val_files.txt: expected a file"):
        read("kitti_raw", raw, part="val")
    (raw / "splits/eigen_zhou/train_files.txt").write_text(f"{DAY}/{DRIVE} 7 l\n")
    with pytest.raises(InputError, match="expected frame 7 of the split"):
        read("kitti_raw", raw)
    with pytest.raises(InputError, match="expected a split out of"):
        read("kitti_raw", raw, "eigen")
    with pytest.raises(InputError, match="expected frames, got none"):
        read("kitti_raw", raw, "odometry")


def test_odometry_drives_of_raw(tmp_path, raw):
    (tmp_path / DAY / DRIVE).rename(tmp_path / DAY / "2011_09_26_drive_0067_sync")
    assert len(read("kitti_raw", raw, "odometry", "train")) == 4
    assert (read("kitti_raw", raw, "odometry", "val")[0].image == 40).all()


@pytest.fixture
def odometry(tmp_path, put_image, put_text):
    for sequence in ("00", "09"):
        folder = tmp_path / "sequences" / sequence
        put_text(
            folder / "calib.txt",
            f"P0: {P2}\nP1: {P3}\nP2: {P2}\nP3: {P3}\nTr: 0 -1 0 0 0 0 -1 0 1 0 0 0\n",
        )
        put_text(folder / "times.txt", "".join(f"{0.1 * n:e}\n" for n in range(10)))
        put_text(
            tmp_path / f"poses/{sequence}.txt",
            "".join(f"0 0 1 {n} 0 1 0 0 -1 0 0 0\n" for n in range(10)),
        )
        for number in range(10):
            put_image(folder / f"image_2/{number:06d}.png", number)
            put_image(folder / f"image_3/{number:06d}.png", 100 + number)
    return tmp_path


def test_odometry_poses_are_those_of_the_left_colour_camera(odometry):
    view = read("kitti_odometry", odometry)[3]
    # cam0 at (3, 0, 0), turned so that its z is the world's x and its x the world's -z; cam2 at
    # (-0.1, 0, -0.02) of it
    np.testing.assert_allclose(view.world_T_camera[:3, 3], [3 - 0.02, 0, 0.1], atol=1e-12)
    assert view.stamp_ns == 300_000_000 and view.baseline_m == pytest.approx(0.5)
    assert (view.image == 3).all() and (view.right == 103).all()


def test_odometry_parts(odometry):
    assert [
        len(read("kitti_odometry", odometry, part=part)) for part in ("train", "val", "test")
    ] == [9, 1, 10]
    train = read("kitti_odometry", odometry)
    assert train.neighbour(8, 1) is None and train.neighbour(7, 1) == 8


def test_depth_annotations(raw, put_png16):
    values = np.zeros((8, 12))
    values[3, 7] = 256 * 12.5
    put_png16(raw / f"train/{DRIVE}/proj_depth/groundtruth/image_02/0000000002.png", values)
    view = read("kitti_depth", raw)[0]
    assert np.argwhere(np.isfinite(view.depth)).tolist() == [[3, 7]] and view.depth[3, 7] == 12.5
    assert (view.right == 102).all()
    with pytest.raises(InputError, match="expected the folder data_depth_annotated/val or val"):
        read("kitti_depth", raw, part="val")


def test_depth_selection(tmp_path, put_image, put_png16, put_text):
    folder = tmp_path / "depth_selection/val_selection_cropped"
    stem = f"{DRIVE}_image_0000000005_image_02"
    put_image(folder / f"image/{stem}.png", 9)
    put_text(folder / f"intrinsics/{stem}.txt", "10 0 5.5 0 11 3.5 0 0 1\n")
    put_png16(
        folder / f"groundtruth_depth/{DRIVE}_groundtruth_depth_0000000005_image_02.png",
        np.full((8, 12), 512),
    )
    view = read("kitti_depth", tmp_path, part="test")[0]
    assert (view.depth == 2.0).all() and view.right is None
    assert (view.camera.fx, view.camera.fy, view.camera.cx, view.camera.cy) == (10, 11, 5.5, 3.5)


def test_readers_can_be_sent_to_other_processes(raw, odometry):
    for reader in ("kitti_raw", "kitti_odometry"):
        frames = read(reader, raw)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(frames))[0].image, frames[0].image)


def test_samples_find_sources_outside_of_the_split(raw):
    pytest.importorskip("torch")
    from train.data.samples import Samples

    samples = Samples(read("kitti_raw", raw), 8, 12, offsets=(-1, 1), stereo=True, augment=False)
    assert len(samples) == 2
    first, second = samples[0], samples[1]
    assert [round(float(source.mean()) * 255) for source in first["sources"]] == [10, 30]
    # the mirrored pair of frame 3: its sources come from the right camera, its partner from the
    # left one
    assert [round(float(source.mean()) * 255) for source in second["sources"]] == [102, 104]
    assert float(second["right"].mean()) * 255 == pytest.approx(30, abs=0.5)
