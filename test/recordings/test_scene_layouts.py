"""Stereo benchmarks in their own layouts, rebuilt small: every pixel of a pair has the same
disparity.
"""

import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from bags import DISPARITY_PX

from depth_ros.core.errors import InputError
from depth_ros.doctor.recording import examine
from depth_ros.evaluation.evaluate import Evaluation, evaluate, judge
from depth_ros.evaluation.report.figures import compare, to_report
from depth_ros.evaluation.report.verdict import against_words, verdict
from depth_ros.recordings.sample import open_source
from depth_ros.recordings.scenes import SceneFolder, write_pfm

CALIB = (
    "cam0=[80.0 0 44.25; 0 84.0 30.5; 0 0 1]\ncam1=[80.0 0 46.25; 0 84.0 30.5; 0 0 "
    "1]\ndoffs=2.0\nbaseline=210.0\n"
)


def write_image(path, rgb):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), rgb[..., ::-1])


def scene(folder, pair, calib=CALIB + "ndisp=32\n", ending="png"):
    for i, image in enumerate(pair):
        write_image(folder / f"im{i}.{ending}", image)
    (folder / "calib.txt").write_text(calib)
    return folder


def map_of(pair, value=DISPARITY_PX):
    return np.full(pair[0].shape[:2], value, np.float32)


def test_middlebury_v3_nested_with_what_both_see(tmp_path, pair):
    for name in ("Adirondack", "Jadeplant"):
        folder = scene(tmp_path / "MiddEval3" / "trainingQ" / name, pair)
        write_pfm(folder / "disp0GT.pfm", map_of(pair))
        mask = np.full(pair[0].shape[:2], 255, np.uint8)
        mask[:, :48] = 128  # of Middlebury: known, but not seen by the right camera
        cv2.imwrite(str(folder / "mask0nocc.png"), mask)
    samples = list(open_source(tmp_path))
    assert [sample.name for sample in samples] == ["Adirondack", "Jadeplant"]
    assert (
        samples[0].visible_in_both.sum() == 48 * 56
        and samples[0].truth_disparity[5, 5] == DISPARITY_PX
    )
    disparity = map_of(pair)
    disparity[:, :48] += 5  # wrong where the right camera sees nothing
    frame = samples[0].frame
    estimate = SimpleNamespace(
        disparity=disparity,
        depth=disparity,
        rig=frame.rig,
        left=frame.left,
        sigma_m=None,
        timing_ms={},
    )
    result = judge(samples[0], estimate)
    assert result.stereo["bad2_pct"] == 50 and result.stereo_visible["bad2_pct"] == 0


def test_eth3d_has_its_truth_in_a_folder_beside(tmp_path, pair):
    scene(tmp_path / "two_view_training" / "delivery_area_1l", pair)
    beside = tmp_path / "two_view_training_gt" / "delivery_area_1l"
    beside.mkdir(parents=True)
    write_pfm(beside / "disp0GT.pfm", map_of(pair))
    cv2.imwrite(str(beside / "mask0nocc.png"), np.full(pair[0].shape[:2], 255, np.uint8))
    (sample,) = open_source(tmp_path)
    assert sample.name == "delivery_area_1l" and sample.visible_in_both.all()
    assert np.all(sample.truth_disparity == DISPARITY_PX)


@pytest.mark.parametrize(
    "left, right, calib, key, truths",
    [
        ("image_2", "image_3", "calib_cam_to_cam", "P_rect_0", ("disp_occ_0", "disp_noc_0")),
        ("colored_0", "colored_1", "calib", "P", ("disp_occ", "disp_noc")),
    ],
)
def test_kitti_2015_and_2012(tmp_path, pair, left, right, calib, key, truths):
    root = tmp_path / "training"
    for name in ("000000_10", "000000_11", "000001_10"):
        write_image(root / left / f"{name}.png", pair[0])
        write_image(root / right / f"{name}.png", pair[1])
    occluded, visible = ((map_of(pair) * 256).astype(np.uint16) for _ in range(2))
    visible[:, :20] = 0
    occluded[0, 0] = 0
    for folder, values in zip(truths, (occluded, visible)):
        (root / folder).mkdir()
        cv2.imwrite(str(root / folder / "000000_10.png"), values)
    (root / calib).mkdir()
    lines = ["calib_time: 09-Jan-2012 13:57:47", f"{key}2: 700 0 44.5 35 0 700 27.5 0 0 0 1 0.003"]
    lines.append(f"{key}3: 700 0 44.5 -343 0 700 27.5 0 0 0 1 0.003")
    for number in ("000000", "000001"):
        (root / calib / f"{number}.txt").write_text("\n".join(lines))
    first, second = open_source(tmp_path)
    assert (first.name, second.name) == (
        "000000_10",
        "000001_10",
    ) and second.truth_disparity is None
    assert (first.frame.rig.left.fx, first.frame.rig.baseline_m) == (700, pytest.approx(0.54))
    assert np.isnan(first.truth_disparity[0, 0]) and first.truth_disparity[1, 1] == DISPARITY_PX
    assert not first.visible_in_both[:, :20].any() and first.visible_in_both[:, 20:].all()


def test_kitti_without_calibration_is_named(tmp_path, pair):
    for folder, image in zip(("image_2", "image_3"), pair):
        write_image(tmp_path / folder / "000000_10.png", image)
    (tmp_path / "disp_occ_0").mkdir()
    with pytest.raises(
        InputError, match="expected calib_cam_to_cam/000000.txt for image_2/000000_10.png"
    ):
        open_source(tmp_path)


def spring(root, pair):
    folder = root / "spring" / "train" / "0001"
    for side, image in zip(("left", "right"), pair):
        write_image(folder / f"frame_{side}" / f"frame_{side}_0001.png", image)
    (folder / "cam_data").mkdir()
    (folder / "cam_data" / "intrinsics.txt").write_text("600 601 47.5 27.5\n700 701 47.5 27.5\n")
    (folder / "disp1_left").mkdir()
    (folder / "disp1_left" / "disp1_left_0001.dsp5").write_bytes(b"HDF5")
    return root


def test_spring_says_what_it_needs(tmp_path, pair, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match="expected h5py for Spring's truth"):
        list(open_source(spring(tmp_path, pair)))


def test_spring_has_twice_the_size_of_truth(tmp_path, pair, monkeypatch):
    truth = np.full((2 * 56, 2 * 96), 7.0, np.float32)
    truth[::2, ::2] = DISPARITY_PX
    truth[0, 0] = np.nan

    class File(dict):
        def __init__(self, path, mode):
            super().__init__(disparity=truth)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

    monkeypatch.setitem(sys.modules, "h5py", SimpleNamespace(File=File))
    (sample,) = open_source(spring(tmp_path, pair))
    rig = sample.frame.rig
    assert (sample.name, rig.left.fx, rig.left.fy, rig.baseline_m) == ("0001_0001", 600, 601, 0.065)
    assert sample.truth_disparity[1, 1] == DISPARITY_PX and np.isnan(sample.truth_disparity[0, 0])


@pytest.fixture
def blobs():
    """A pair whose features reach 40 px."""
    noise = np.random.default_rng(5).integers(0, 256, (160, 440, 3), dtype=np.uint8)
    wide = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
    return wide[:, :400].copy(), wide[:, 40:].copy()


def test_jpeg_scenes_and_equal_names_in_two_folders(tmp_path, blobs):
    for place in ("summer", "winter"):
        scene(tmp_path / place / "001", blobs, CALIB + "ndisp=64", ending="jpg")
    samples = list(open_source(tmp_path))
    assert [sample.name for sample in samples] == ["summer_001", "winter_001"]
    assert np.abs(samples[0].frame.left.astype(int) - blobs[0]).mean() < 4


@pytest.mark.parametrize("ndisp", ["", "ndisp=0\n", "ndisp=1e9\n", "ndisp=nan\n", "ndisp=-3\n"])
def test_a_range_that_is_missing_or_impossible_is_estimated_and_said(tmp_path, blobs, ndisp):
    source = SceneFolder(scene(tmp_path / "a", blobs, CALIB + ndisp))
    (sample,) = source
    assert sample.frame.max_disparity_px == 64  # 40 px and a quarter more, in steps of 16
    assert "range from matched features, 64 px" in source.notes[0]
    assert ("is missing" if not ndisp else "is no range of 400 px") in source.notes[0]


def test_the_range_of_the_user_beats_that_of_the_scene(tmp_path, pair):
    folder = scene(tmp_path / "a", pair)
    assert next(iter(open_source(folder))).frame.max_disparity_px == 32
    assert next(iter(open_source(folder, max_disparity_px=64))).frame.max_disparity_px is None


class Fixed:
    """An estimator of one disparity."""

    def __init__(self, disparity_px):
        self.disparity_px = disparity_px
        self.engine = SimpleNamespace(name="fixed")

    def estimate(self, frame):
        from depth_ros.core.types import Estimate

        disparity = np.full(frame.left.shape[:2], self.disparity_px, np.float32)
        timing = {"total": 1.0, "engine": 1.0}
        return Estimate(
            0, "left", frame.rig, frame.left, disparity, disparity, None, timing, right=frame.right
        )


def run_on(folder, disparity_px) -> Evaluation:
    return evaluate(SceneFolder(folder), Fixed(disparity_px), f"m{disparity_px}")


@pytest.mark.parametrize("names", [["000001"], ["1", "2"], ["1", "2", "3"]])
def test_numeric_names_keep_their_rows_and_any_number_is_compared(tmp_path, pair, names):
    for name in names:
        write_pfm(scene(tmp_path / name, pair) / "disp0.pfm", map_of(pair))
    run, other = run_on(tmp_path, DISPARITY_PX), run_on(tmp_path, DISPARITY_PX + 5)
    run.precision = "fp32"
    report = to_report(run)
    assert list(report["stereo"]["per_scene"]) == names
    gap = compare(run, other)
    assert (gap["difference"], gap["frames"]) == (-100, len(names)) and ("ci" in gap) == (
        len(names) > 2
    )
    (words,) = against_words(run, [(other, gap)])
    if len(names) > 2:
        assert words.startswith(f"m{DISPARITY_PX} is better than m{DISPARITY_PX + 5}: ")
    else:
        assert "-100 over" in words and "too few for an interval" in words
    assert f"Answered by m{DISPARITY_PX}, fp32, on fixed." in verdict(run, report)


def test_the_doctor_says_the_range_of_scenes_and_what_lies_nearer(tmp_path, blobs):
    folder = scene(tmp_path / "a", blobs)  # ndisp 32, features reach 40 px
    (words,) = [
        finding.words for finding in examine(folder, range_px=128) if "range" in finding.words
    ]
    assert words.endswith("the range is 32 px: nearer things get no depth; --max-disparity-px 64")
    assert not [
        one for one in examine(folder, max_disparity_px=64, range_px=128) if "range" in one.words
    ]
    scene(tmp_path / "a", blobs, CALIB)
    assert "ndisp is missing (a): range from matched features, 64 px" in " ".join(
        finding.words for finding in examine(folder, range_px=128)
    )
