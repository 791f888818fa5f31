"""Middlebury, ETH3D and SceneFlow, from miniature files in the official layouts."""

from pathlib import Path

import numpy as np
import pytest

from depth_ros.core.errors import InputError
from depth_ros.recordings.scenes import write_pfm
from train.data import read

CALIB = (
    "cam0=[30 0 5.5; 0 30 3.5; 0 0 1]\ncam1=[30 0 {cx1}; 0 30 3.5; 0 0 "
    "1]\ndoffs={doffs}\nbaseline=200\n"
)


@pytest.fixture
def put_scene(put_image, put_text, ramp):
    """A factory: one scene, the ramp on both sides, without its truth."""

    def put(folder, doffs=0):
        put_image(folder / "im0.png", ramp)
        put_image(folder / "im1.png", ramp)
        put_text(folder / "calib.txt", CALIB.format(cx1=5.5 + doffs, doffs=doffs))

    return put


@pytest.fixture
def disparity():
    values = np.full((8, 12), 4, np.float32)
    values[2, 5] = 1
    values[0, 0] = np.nan
    return values


def test_middlebury_moves_the_right_image_by_doffs(tmp_path, put_scene, disparity, ramp):
    for name in "abc":
        put_scene(tmp_path / name, doffs=2)
        write_pfm(tmp_path / name / "disp0.pfm", disparity)
    view = read("middlebury", tmp_path)[0]
    np.testing.assert_array_equal(view.right[:, :10], ramp[:, 2:])
    # Z = f * baseline / (d + doffs): 30 * 0.2 / 6, and 30 * 0.2 / 3 for the pixel of disparity 1
    assert view.depth[1, 1] == 1.0 and view.depth[2, 5] == 2.0 and np.isnan(view.depth[0, 0])
    assert view.disparity[1, 1] == 6 and view.baseline_m == pytest.approx(0.2)
    assert (view.camera.fx, view.camera.cx, view.camera.cy) == (30, 5.5, 3.5)
    known = np.isfinite(view.depth)
    np.testing.assert_allclose(
        (view.camera.fx * view.baseline_m / view.depth)[known], view.disparity[known], rtol=1e-6
    )


def test_middlebury_parts_and_2021(tmp_path, put_scene):
    for name in "abcd":
        put_scene(tmp_path / "data" / name)
    names = {
        part: [view.name for view in read("middlebury", tmp_path, part=part)]
        for part in ("train", "val", "test")
    }
    assert names == {"train": ["c", "d"], "val": ["a"], "test": ["b"]}
    frames = read("middlebury", tmp_path)
    assert frames[0].depth is None and frames.neighbour(0, 1) is None


def test_middlebury_errors_name_the_file(tmp_path, put_scene, put_image):
    put_scene(tmp_path / "scene")
    put_image(tmp_path / "scene/im1.png", 0, width=11)
    with pytest.raises(InputError, match="im1.png: expected 12x8, got 11x8"):
        read("middlebury", tmp_path, part="val")[0]
    (tmp_path / "scene/calib.txt").unlink()
    with pytest.raises(InputError, match="calib.txt: expected a file"):
        read("middlebury", tmp_path, part="val")[0]


def test_eth3d_truth_mask_and_parts(tmp_path, put_scene, put_image, disparity):
    for name in ("delivery_area_1l", "electro_1l"):
        put_scene(tmp_path / "two_view_training" / name)
        write_pfm(tmp_path / "two_view_training_gt" / name / "disp0GT.pfm", disparity)
        mask = np.full((8, 12, 3), 255, np.uint8)
        mask[2, 5] = 128
        put_image(tmp_path / "two_view_training_gt" / name / "mask0nocc.png", mask)
    put_scene(tmp_path / "two_view_testing/lakeside_1l")
    assert read("eth3d", tmp_path)[0].depth[2, 5] == 6.0
    view = read("eth3d", tmp_path, "nocc")[0]
    assert np.isnan(view.depth[2, 5]) and view.depth[1, 1] == 1.5 and view.name == "electro_1l"
    assert read("eth3d", tmp_path, part="val")[0].name == "delivery_area_1l"
    assert read("eth3d", tmp_path, part="test")[0].depth is None


def test_eth3d_without_truth(tmp_path, put_scene):
    put_scene(tmp_path / "two_view_training/a")
    with pytest.raises(InputError, match="two_view_training_gt/a/disp0GT.pfm: expected the truth"):
        read("eth3d", tmp_path, part="val")[0]


@pytest.fixture
def put_frames(put_image, put_text):
    """A factory: three frames of a SceneFlow sequence from frame 6, disparity 10 with one pixel
    of 0.
    """

    def put(root, below, frames="frames_cleanpass"):
        disparity = np.full((540, 960), 10, np.float32)
        disparity[7, 11] = 0
        (root / "disparity" / below / "left").mkdir(parents=True, exist_ok=True)
        lines = []
        for number in (6, 7, 8):
            put_image(root / frames / below / f"left/{number:04d}.png", number, 540, 960)
            put_image(root / frames / below / f"right/{number:04d}.png", 100 + number, 540, 960)
            write_pfm(root / "disparity" / below / f"left/{number:04d}.pfm", disparity)
            # a camera that looks along the world's y with the world's z up: columns right, up,
            # backward
            left, right = (f"1 0 0 {x} 0 0 -1 {number} 0 1 0 3 0 0 0 1" for x in (5, 5.5))
            lines.append(f"Frame {number}\nL {left}\nR {right}\n\n")
        put_text(root / "camera_data" / below / "camera_data.txt", "".join(lines))

    return put


def test_sceneflow_things(tmp_path, put_frames):
    for below in ("TRAIN/A/0000", "TRAIN/A/0001", "TEST/A/0000"):
        put_frames(tmp_path, below)
    frames = read("sceneflow", tmp_path)
    view = frames[1]
    assert len(frames) == 3 and (view.image == 7).all() and (view.right == 107).all()
    assert view.name == "TRAIN/A/0001 0007"
    assert (view.camera.fx, view.camera.cx, view.camera.cy) == (1050, 479.5, 269.5)
    assert view.baseline_m == pytest.approx(0.5) and view.depth[0, 0] == pytest.approx(52.5)
    assert np.isnan(view.depth[7, 11]) and np.isnan(view.disparity[7, 11])
    # optical z is forward, the world's y; optical y is down, the world's -z
    np.testing.assert_allclose(view.world_T_camera[:3, 2], [0, 1, 0])
    np.testing.assert_allclose(view.world_T_camera[:3, 1], [0, 0, -1])
    np.testing.assert_allclose(view.world_T_camera[:3, 3], [5, 7, 3])
    assert read("sceneflow", tmp_path, part="val")[0].name == "TRAIN/A/0000 0006"
    assert read("sceneflow", tmp_path, part="test")[0].name == "TEST/A/0000 0006"


def test_sceneflow_driving_has_another_lens(tmp_path, put_frames):
    put_frames(tmp_path / "driving", "15mm_focallength/scene_forwards/fast", "frames_finalpass")
    frames = read("sceneflow", tmp_path, "finalpass")
    assert frames[0].camera.fx == 450 and frames.neighbour(0, 1) == 1
    with pytest.raises(InputError, match="frames_cleanpass: expected frames, got none"):
        read("sceneflow", tmp_path)


PAIRS = Path(__file__).resolve().parents[5] / "shared/data/pairs"


@pytest.mark.skipif(not PAIRS.is_dir(), reason=f"{PAIRS}: no real pairs here")
def test_real_pairs_match_after_the_move():
    frames = read("middlebury", PAIRS)
    views = [frames[i] for i in range(len(frames))]
    metric = [
        path.parent.name
        for path in PAIRS.glob("*/calib.txt")
        if "nominal=1" not in path.read_text()
    ]
    view = next(view for view in views if view.name in metric)
    height, width = view.disparity.shape
    u = np.arange(width) - view.disparity
    seen = np.isfinite(u) & (u >= 0)
    rows, columns = np.nonzero(seen)
    matched = view.right[rows, np.rint(u[seen]).astype(int)].astype(int)
    difference = np.abs(matched - view.image[seen]).mean()
    # exposures may differ; matching three pixels beside the truth must be clearly worse
    beside = np.clip(np.rint(u[seen]).astype(int) + 3, 0, width - 1)
    assert difference < 0.8 * np.abs(view.right[rows, beside].astype(int) - view.image[seen]).mean()
    assert 0.3 < np.nanmedian(view.depth) < 5
