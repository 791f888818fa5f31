"""TartanAir, TUM RGB-D, NYU and DDAD, from miniature files in the official layouts."""

import json
import pickle

import cv2
import numpy as np
import pytest

from depth_ros.core.errors import InputError
from train.data import read


@pytest.fixture
def tartanair(tmp_path, put_image, put_text):
    folder = tmp_path / "office/Easy/P000"
    (folder / "depth_left").mkdir(parents=True)
    for number in range(10):
        put_image(folder / f"image_left/{number:06d}_left.png", number)
        put_image(folder / f"image_right/{number:06d}_right.png", 100 + number)
        depth = np.full((8, 12), 2 + number, np.float32)
        depth[0, 0] = 10000
        np.save(folder / f"depth_left/{number:06d}_left_depth.npy", depth)
    # heading east: turned by 90 degrees about down
    put_text(
        folder / "pose_left.txt",
        "".join(f"1 {n} 3 0 0 0.7071067811865476 0.7071067811865476\n" for n in range(10)),
    )
    return tmp_path


def test_tartanair_pair_depth_and_optical_pose(tartanair):
    frames = read("tartanair", tartanair)
    view = frames[3]
    assert (
        len(frames) == 8
        and (view.image == 3).all()
        and (view.right == 103).all()
        and view.baseline_m == 0.25
    )
    assert (view.camera.fx, view.camera.cx, view.camera.cy) == (320, 6, 4)
    assert view.depth[1, 1] == 5 and np.isnan(view.depth[0, 0])
    # north, east, down: forward (optical z) is east, down (optical y) is down, right (optical x) is
    # south
    R = [[-1, 0, 0], [0, 0, 1], [0, 1, 0]]
    np.testing.assert_allclose(view.world_T_camera[:3, :3], R, atol=1e-12)
    np.testing.assert_allclose(view.world_T_camera[:3, 3], [1, 3, 3])
    # the next frame is 1 m east, in front of this one
    after = frames[frames.neighbour(3, 1)]
    moved = np.linalg.inv(view.world_T_camera) @ after.world_T_camera
    np.testing.assert_allclose(moved[:3, 3], [0, 0, 1], atol=1e-12)


def test_tartanair_parts_do_not_touch(tartanair):
    assert [len(read("tartanair", tartanair, part=part)) for part in ("train", "val", "test")] == [
        8,
        1,
        1,
    ]
    assert read("tartanair", tartanair).neighbour(7, 1) is None


def test_tartanair_counts_poses(tartanair):
    (tartanair / "office/Easy/P000/image_left/000009_left.png").unlink()
    with pytest.raises(
        InputError, match="pose_left.txt: expected a pose for each of 9 images, got 10"
    ):
        read("tartanair", tartanair)


def test_tartanair_2_hides_floats_in_a_png(tmp_path, put_image, put_text):
    folder = tmp_path / "office/Data_easy/P000"
    put_image(folder / "image_lcam_front/000000_lcam_front.png", 1)
    put_text(folder / "pose_lcam_front.txt", "0 0 0 0 0 0 1\n")
    (folder / "depth_lcam_front").mkdir()
    depth = np.linspace(1, 7, 96, dtype="<f4").reshape(8, 12)
    channels = depth.view(np.uint8).reshape(8, 12, 4)
    cv2.imwrite(str(folder / "depth_lcam_front/000000_lcam_front_depth.png"), channels)
    np.testing.assert_array_equal(read("tartanair", tmp_path, "v2")[0].depth, depth)


@pytest.fixture
def tum(tmp_path, put_image, put_png16, put_text):
    """Four colour images, the last without a depth, the third without a pose; freiburg3 has no
    distortion.
    """
    folder = tmp_path / "rgbd_dataset_freiburg3_desk"
    stamps = ("1305031102.175304", "1305031102.211214", "1305031102.243211", "1305031109.000000")
    for number, stamp in enumerate(stamps):
        put_image(folder / f"rgb/{stamp}.png", 50 + number, 480, 640)
    values = np.full((480, 640), 7500)
    values[3, 5] = 0
    put_png16(folder / "depth/a.png", values)
    put_text(
        folder / "rgb.txt",
        "# color images\n" + "".join(f"{stamp} rgb/{stamp}.png\n" for stamp in stamps),
    )
    depths = (
        "1305031102.160407 depth/a.png\n1305031102.210000 depth/a.png\n1305031102.250000 "
        "depth/a.png\n"
    )
    put_text(folder / "depth.txt", "# depth maps\n" + depths)
    poses = (
        "1305031102.1758 1 2 3 0 0 0 1\n1305031102.2158 4 5 6 0 0 0.7071067811865476 "
        "0.7071067811865476\n"
    )
    put_text(folder / "groundtruth.txt", "# ground truth trajectory\n" + poses)
    return folder


def test_tum_associates_by_nearest_stamp(tum):
    views = [view for part in ("train", "val") for view in read("tum", tum, part=part)]
    assert [view.image[0, 0, 0] for view in views] == [50, 51, 52]
    assert views[0].stamp_ns == 1305031102_175304000
    np.testing.assert_allclose(views[0].world_T_camera[:3, 3], [1, 2, 3])
    np.testing.assert_allclose(views[1].world_T_camera[:3, 0], [0, 1, 0], atol=1e-12)
    assert views[2].world_T_camera is None
    assert views[0].depth[0, 0] == 1.5 and np.isnan(views[0].depth[3, 5])
    assert (views[0].camera.fx, views[0].camera.fy) == (535.4, 539.2)


def test_tum_undistorts_colour_and_depth_alike(tum):
    folder = tum.rename(tum.with_name("rgbd_dataset_freiburg1_desk"))
    stamp = "1305031102.175304"
    v, u = np.mgrid[:480, :640]
    image = np.repeat((u // 4).astype(np.uint8)[..., None], 3, axis=2)
    cv2.imwrite(str(folder / f"rgb/{stamp}.png"), image)
    cv2.imwrite(str(folder / "depth/a.png"), (100 * (u // 4) + 100).astype(np.uint16))
    view = read("tum", folder)[0]
    K = np.array([[517.3, 0, 318.6], [0, 516.5, 255.3], [0, 0, 1]])
    expected = cv2.undistort(image, K, np.array([0.2624, -0.9531, -0.0054, 0.0026, 1.1633]))
    inner = (slice(60, 420), slice(80, 560))
    assert np.abs(view.image[inner].astype(int) - expected[inner]).max() <= 1
    assert (
        np.abs(view.depth[inner] * 50 - 1 - view.image[inner][..., 0]).max() <= 1.01
    )  # both show u // 4
    assert np.abs(view.image[inner].astype(int) - image[inner]).max() > 1  # and it was distorted


def test_tum_wants_to_know_the_camera(tum):
    with pytest.raises(InputError, match="expected a name with one of .*freiburg1"):
        read("tum", tum.rename(tum.with_name("desk")))


def test_nyu_folders(tmp_path, put_image, put_png16):
    for scene in ("basement_0001a", "bedroom_0004"):
        for number in (45, 46, 48):
            put_image(tmp_path / f"train/{scene}/rgb_{number:05d}.jpg", number, 480, 640)
            put_png16(
                tmp_path / f"train/{scene}/sync_depth_{number:05d}.png", np.full((480, 640), 1234)
            )
    frames = read("nyu", tmp_path)
    assert len(frames) == 3 and frames.neighbour(0, 1) == 1 and frames.neighbour(1, 1) is None
    assert frames[0].name == "bedroom_0004 00045" and np.allclose(frames[0].depth, 1.234)
    assert frames[0].camera.fx == pytest.approx(518.857901)
    assert read("nyu", tmp_path, part="val")[0].name == "basement_0001a 00045"
    with pytest.raises(
        InputError, match="expected nyu_depth_v2_labeled.mat or a folder test, got neither"
    ):
        read("nyu", tmp_path, part="test")


def test_nyu_labelled(tmp_path):
    h5py, io = pytest.importorskip("h5py"), pytest.importorskip("scipy.io")
    images = np.zeros((3, 3, 640, 480), np.uint8)
    images[1, 0, 5, 7], images[2, 2, 600, 400] = 200, 90
    depths = np.full((3, 640, 480), 2.5, np.float32)
    depths[1, 5, 7] = 4.0
    raw = depths.copy()
    raw[1, 9, 3] = 0
    with h5py.File(tmp_path / "nyu_depth_v2_labeled.mat", "w") as file:
        file["images"], file["depths"], file["rawDepths"] = images, depths, raw
    io.savemat(
        tmp_path / "splits.mat", {"trainNdxs": np.array([[1], [2]]), "testNdxs": np.array([[3]])}
    )
    view = read("nyu", tmp_path)[0]  # of frames 1 and 2, the first is val
    assert (
        view.image[7, 5].tolist() == [200, 0, 0]
        and view.depth[7, 5] == 4.0
        and view.depth[3, 9] == 2.5
    )
    assert np.isnan(read("nyu", tmp_path, "raw")[0].depth[3, 9])
    test = read("nyu", tmp_path, part="test")
    assert test[0].image[400, 600].tolist() == [0, 0, 90] and test.neighbour(0, -1) is None


def test_nyu_labelled_says_which_library_is_missing(tmp_path, monkeypatch, put_text):
    put_text(tmp_path / "nyu_depth_v2_labeled.mat", "")
    with pytest.raises(InputError, match="splits.mat: expected the official split"):
        read("nyu", tmp_path)
    put_text(tmp_path / "splits.mat", "")

    def absent(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr("train.data.datasets.nyu.import_module", absent)
    with pytest.raises(InputError, match="expected the library scipy .pip install it."):
        read("nyu", tmp_path)


def transform(translation, quat_xyzw):
    return {
        "translation": dict(zip("xyz", translation)),
        "rotation": dict(zip(("qx", "qy", "qz", "qw"), quat_xyzw)),
    }


@pytest.fixture
def ddad(tmp_path, put_image, put_text):
    """A scene of two samples: the camera at (10, n, 1) looks along the world's x, the lidar at
    its axes' origin.
    """
    scene, data, samples = tmp_path / "000000", [], []
    for number in range(2):
        put_image(scene / f"rgb/CAMERA_01/{number}.png", 30 + number)
        (scene / "point_cloud/LIDAR").mkdir(parents=True, exist_ok=True)
        np.savez(
            scene / f"point_cloud/LIDAR/{number}.npz",
            data=np.array([[14.0, number - 1, 0.5, 9], [0, 0, 0, 9]]),
        )
        pose = transform((10, number, 1), (-0.5, 0.5, -0.5, 0.5))
        image = {"filename": f"rgb/CAMERA_01/{number}.png", "height": 8, "width": 12, "pose": pose}
        cloud = {
            "filename": f"point_cloud/LIDAR/{number}.npz",
            "pose": transform((0, 0, 0), (0, 0, 0, 1)),
        }
        stamp = f"2019-04-01T00:00:0{number}.25Z"
        for name, datum in (("LIDAR", {"point_cloud": cloud}), ("CAMERA_01", {"image": image})):
            data.append(
                {"key": f"{name}{number}", "id": {"name": name, "timestamp": stamp}, "datum": datum}
            )
        samples.append(
            {"datum_keys": [f"LIDAR{number}", f"CAMERA_01{number}"], "calibration_key": "abc"}
        )
    put_text(scene / "scene_1.json", json.dumps({"data": data, "samples": samples}))
    intrinsics = [
        {"fx": 0, "fy": 0, "cx": 0, "cy": 0},
        {"fx": 8.0, "fy": 16.0, "cx": 5.0, "cy": 3.0},
    ]
    calibration = {"names": ["LIDAR", "CAMERA_01"], "intrinsics": intrinsics}
    put_text(scene / "calibration/abc.json", json.dumps(calibration))
    splits = {"scene_splits": {"0": {"filenames": ["000000/scene_1.json"]}, "1": {"filenames": []}}}
    put_text(tmp_path / "ddad.json", json.dumps(splits))
    return tmp_path


def test_ddad_lidar_pose_and_stamp(ddad):
    frames = read("ddad", ddad)
    view = frames[1]
    assert len(frames) == 2 and frames.neighbour(0, 1) == 1 and (view.image == 31).all()
    # the point is 4 m ahead, 1 m to the right (the world's -y) and 0.5 m down: u = 5 + 8 / 4, v = 3
    # + 16 * 0.5 / 4
    assert np.argwhere(np.isfinite(view.depth)).tolist() == [[5, 7]] and view.depth[
        5, 7
    ] == pytest.approx(4.0)
    np.testing.assert_allclose(view.world_T_camera[:3, 2], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(view.world_T_camera[:3, 3], [10, 1, 1])
    assert view.stamp_ns % 10**9 == 250_000_000 and view.stamp_ns - frames[0].stamp_ns == 10**9


def test_ddad_says_what_is_missing(ddad):
    with pytest.raises(InputError, match="scene_1.json: expected a scene with CAMERA_05"):
        read("ddad", ddad, "CAMERA_05")
    with pytest.raises(InputError, match="ddad.json: expected frames, got none"):
        read("ddad", ddad, part="val")
    with pytest.raises(InputError, match="the test images have no truth"):
        read("ddad", ddad, part="test")


def test_readers_can_be_sent_to_other_processes(tartanair, tum, ddad):
    for frames in (read("tartanair", tartanair), read("tum", tum), read("ddad", ddad)):
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(frames))[0].image, frames[0].image)
