import dataclasses

import numpy as np
import pytest

from depth_ros.core.camera import Calibration, StereoRig
from depth_ros.core.errors import CalibrationError, EngineError, ImageError, InputError, SpecError
from depth_ros.core.types import Frame
from depth_ros.engine.sgbm import SgbmEngine
from depth_ros.engine.spec import ModelSpec
from depth_ros.estimator.stereo import StereoEstimator


class FakeEngine:
    """Answers with the values that a test gives, and keeps what it was asked."""

    name, model_hash = "fake", "0"

    def __init__(self, disparity=8.0, log_sigma=None, **spec):
        outputs = ("disparity",) if log_sigma is None else ("disparity", "log_sigma")
        values = {"inputs": ("left", "right"), "outputs": outputs, "height": 0, "width": 0, **spec}
        self.spec = ModelSpec("fake", "stereo", **values)
        self.disparity, self.log_sigma = disparity, log_sigma

    def run(self, inputs):
        self.inputs = inputs
        shape = (1, 1, *inputs["left"].shape[2:])
        values = zip(self.spec.outputs, (self.disparity, self.log_sigma), strict=False)
        return {name: np.broadcast_to(np.float32(value), shape).copy() for name, value in values}


@pytest.fixture
def frame(rig, make_pair):
    return Frame(1_700_000_000_123_456_789, "left_optical", *make_pair(8), rig)


def test_depth_of_a_plane(frame, rig):
    estimate = StereoEstimator(SgbmEngine(), max_disparity_px=32).estimate(frame)
    expected = 80.0 * 0.21 / 8.0
    assert (estimate.stamp_ns, estimate.frame_id, estimate.rig) == (
        frame.stamp_ns,
        "left_optical",
        rig,
    )
    assert estimate.depth.shape == estimate.disparity.shape == (56, 96)
    assert estimate.depth.dtype == estimate.disparity.dtype == np.float32
    np.testing.assert_allclose(np.median(estimate.depth), expected, rtol=1e-6)
    assert estimate.sigma_m is None
    assert set(estimate.timing_ms) == {"prepare", "engine", "decode", "total"}
    assert estimate.timing_ms["total"] >= estimate.timing_ms["engine"] > 0


def test_doffs_and_unknown(frame, rig):
    shifted = dataclasses.replace(frame, rig=dataclasses.replace(rig, doffs_px=2.0))
    np.testing.assert_allclose(
        StereoEstimator(FakeEngine(8.0)).estimate(shifted).depth, 80.0 * 0.21 / 10.0, rtol=1e-6
    )
    for unknown in (np.nan, np.inf):
        estimate = StereoEstimator(FakeEngine(unknown, 0.0)).estimate(frame)
        assert all(
            np.isnan(a).all() for a in (estimate.disparity, estimate.depth, estimate.sigma_m)
        )


@pytest.mark.parametrize("size", [{"height": 0, "width": 0}, {"height": 64, "width": 32}])
def test_sigma_in_metres_at_any_size(frame, size):
    scale = 1.0 if size["width"] == 0 else 96 / 32
    estimate = StereoEstimator(FakeEngine(4.0, np.log(0.5), **size)).estimate(frame)
    z = 80.0 * 0.21 / (4.0 * scale)
    np.testing.assert_allclose(estimate.depth, np.full((56, 96), z), rtol=1e-5)
    np.testing.assert_allclose(
        estimate.sigma_m, np.full((56, 96), z**2 / (80.0 * 0.21) * 0.5 * scale), rtol=1e-5
    )


def test_padding_repeats_the_border_and_is_cut_off_again(frame):
    engine = FakeEngine(8.0, divisor=40)
    assert StereoEstimator(engine).estimate(frame).disparity.shape == (56, 96)
    left = engine.inputs["left"]
    assert left.shape == (1, 3, 80, 120) and left.dtype == np.float32
    np.testing.assert_allclose(left[0, :, :56, :96], frame.left.transpose(2, 0, 1) / 255, atol=1e-6)
    np.testing.assert_array_equal(left[..., 56:, :96], np.repeat(left[..., 55:56, :96], 24, axis=2))
    np.testing.assert_array_equal(left[..., 96:], np.repeat(left[..., 95:96], 24, axis=3))


def test_normalisation_and_channel_order(frame):
    engine = FakeEngine(mean=(10.0, 20.0, 30.0), std=(2.0, 4.0, 8.0))
    StereoEstimator(engine).estimate(frame)
    expected = (frame.right - np.array([10.0, 20.0, 30.0])) / (2.0, 4.0, 8.0)
    np.testing.assert_allclose(
        engine.inputs["right"][0, :, :56, :96], expected.transpose(2, 0, 1), atol=1e-4
    )


def test_range_and_prior_follow_the_size(frame):
    engine = FakeEngine(inputs=("left", "right", "prior", "max_disparity_px"), height=32, width=192)
    StereoEstimator(engine, max_disparity_px=20).estimate(frame)
    assert engine.inputs["max_disparity_px"].tolist() == [40.0]
    engine = FakeEngine(inputs=("left", "right", "prior", "max_disparity_px"), divisor=8)
    StereoEstimator(engine, max_disparity_px=99).estimate(
        dataclasses.replace(frame, max_disparity_px=32)
    )
    assert engine.inputs["max_disparity_px"].tolist() == [32.0]
    prior = engine.inputs["prior"]
    assert prior.shape == (1, 2, 56, 96) and prior.dtype == np.float32
    assert np.isfinite(prior).all()
    assert np.median(prior[0, 0]) == 8.0
    engine = FakeEngine(inputs=("left", "right", "prior"), divisor=8, prior_scale=2)
    StereoEstimator(engine, max_disparity_px=32).estimate(frame)
    assert engine.inputs["prior"].shape == (1, 2, 28, 48)
    assert np.median(engine.inputs["prior"][0, 0]) == pytest.approx(8.0, abs=0.25)


def calibrations_of_a_distorted_pair(make_calibration):
    D = (-0.2, 0.05, 0.001, -0.001, 0.0)
    return make_calibration(D=D), make_calibration(baseline_m=0.3, D=D)


def test_raw_images_are_rectified_and_the_rig_made_of_their_calibrations(frame, make_calibration):
    calibrations = calibrations_of_a_distorted_pair(make_calibration)
    estimate = StereoEstimator(FakeEngine(8.0)).estimate(
        dataclasses.replace(frame, calibrations=calibrations)
    )
    assert estimate.rig == StereoRig.from_calibrations(*calibrations)
    np.testing.assert_allclose(estimate.depth, 80.0 * 0.3 / 8.0, rtol=1e-6)
    assert (estimate.left != frame.left).any()


def test_identity_rectification_changes_nothing(frame, make_calibration):
    pair = (make_calibration(), make_calibration(baseline_m=0.21))
    estimate = StereoEstimator(FakeEngine()).estimate(dataclasses.replace(frame, calibrations=pair))
    np.testing.assert_array_equal(estimate.left, frame.left)


def test_refuses(frame, rig, make_calibration):
    estimator = StereoEstimator(FakeEngine())
    with pytest.raises(InputError, match="expected a stereo pair"):
        estimator.estimate(dataclasses.replace(frame, right=None))
    with pytest.raises(CalibrationError, match="swapped"):
        estimator.estimate(
            dataclasses.replace(frame, calibrations=(make_calibration(0.21), make_calibration()))
        )
    small = [dataclasses.replace(c, width=90) for c in (make_calibration(), make_calibration(0.21))]
    with pytest.raises(ImageError, match="expected images of 90x56"):
        estimator.estimate(dataclasses.replace(frame, calibrations=tuple(small)))
    with pytest.raises(EngineError, match="expected a disparity range"):
        StereoEstimator(FakeEngine(), max_disparity_px=0)
    mono = FakeEngine()
    mono.spec = ModelSpec("m", "mono", ("image",), ("depth",), 0, 0)
    with pytest.raises(SpecError, match="expected a stereo model"):
        StereoEstimator(mono)


def test_an_output_of_another_shape_is_refused(frame):
    engine = FakeEngine()
    engine.run = lambda inputs: {"disparity": np.zeros((1, 1, 5, 5), np.float32)}
    with pytest.raises(EngineError, match=r"expected .*got"):
        StereoEstimator(engine).estimate(frame)


def test_the_next_frame_may_have_another_size(frame, rig, make_pair):
    estimator = StereoEstimator(SgbmEngine(), max_disparity_px=32)
    estimator.estimate(frame)
    other = Frame(2, "left_optical", *make_pair(5, 40, 70), rig.cropped(2, 3, 40, 70))
    estimate = estimator.estimate(other)
    assert np.median(estimate.disparity) == 5.0
    assert estimate.rig.left.cx == pytest.approx(41.25)


def test_euroc_is_level_after_rectification(shared_data):
    """The median vertical offset of matched features stays under half a pixel on a real,
    distorted, raw pair.
    """
    pytest.importorskip("rosbags")
    frame = next(read_raw_frames(shared_data / "bags" / "euroc_static_unrectified"))
    from depth_ros.estimator.preprocess import rectified

    level = rectified(frame)
    assert median_vertical_offset_px(level.left, level.right) < 0.5
    assert (
        median_vertical_offset_px(frame.left, frame.right) > 2
    )  # the test can fail: raw rows do not meet


def read_raw_frames(path):
    """The raw pairs of a bag that has stamps in step, as frames to rectify."""
    import cv2
    from rosbags.highlevel import AnyReader

    calibrations, images = {}, {}
    with AnyReader([path]) as reader:
        for connection, _, data in reader.messages():
            side = connection.topic.split("/")[1]
            if side not in ("left", "right"):
                continue
            message = reader.deserialize(data, connection.msgtype)
            if connection.topic.endswith("camera_info"):
                fields = (getattr(message, name) for name in "dkrp")
                calibrations[side] = Calibration(
                    message.width, message.height, message.distortion_model, *fields
                )
            else:
                images[side] = cv2.imdecode(message.data, cv2.IMREAD_COLOR)
            if len(calibrations) == len(images) == 2:
                pair = (calibrations["left"], calibrations["right"])
                yield Frame(
                    0,
                    "left",
                    images["left"],
                    images["right"],
                    StereoRig.from_calibrations(*pair),
                    pair,
                )
                images.clear()


def median_vertical_offset_px(left, right):
    """Match SIFT features both ways (subpixel, unlike ORB); the median of |v_left - v_right|."""
    import cv2

    sift = cv2.SIFT_create(2000)
    (points_l, words_l), (points_r, words_r) = (
        sift.detectAndCompute(image, None) for image in (left, right)
    )
    matches = cv2.BFMatcher(cv2.NORM_L2, crossCheck=True).match(words_l, words_r)
    good = [m for m in matches if m.distance < 150]
    assert len(good) > 100
    return np.median([abs(points_l[m.queryIdx].pt[1] - points_r[m.trainIdx].pt[1]) for m in good])
