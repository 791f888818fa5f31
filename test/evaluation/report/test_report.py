"""What the report adds up, and its page in a real browser."""

import json

import numpy as np
import pytest

from depth_ros.core.camera import Camera, StereoRig
from depth_ros.core.lie import se3_exp
from depth_ros.core.metrics import depth_metrics
from depth_ros.core.types import Estimate, Frame
from depth_ros.doctor.recording import Finding
from depth_ros.engine.load import load_engine
from depth_ros.estimator.stereo import StereoEstimator
from depth_ros.evaluation import proxies, sigma
from depth_ros.evaluation.evaluate import Evaluation, FrameResult, evaluate
from depth_ros.evaluation.intervals import mean_interval, ratio_interval, resampled
from depth_ros.evaluation.ranges import EDGES_M, by_range, range_sums
from depth_ros.evaluation.report.figures import compare, to_report
from depth_ros.evaluation.report.image_panels import Album
from depth_ros.evaluation.report.report import write_report
from depth_ros.recordings.sample import open_source


def test_interval_holds_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(5)
    hits = [
        low <= 3.0 <= high
        for low, high in (mean_interval(3 + rng.normal(size=60)) for _ in range(200))
    ]
    assert 0.85 < np.mean(hits) <= 0.99
    assert mean_interval([1.0, 2.0]) is None and ratio_interval([1, 1, 1, 0], [2, 2, 2, 0]) == [
        0.5,
        0.5,
    ]


def test_neighbours_that_resemble_each_other_make_the_interval_wider():
    clip = np.repeat(np.random.default_rng(0).normal(size=10), 10)  # ten places, ten frames each
    (low, high), (low_1, high_1) = mean_interval(clip), mean_interval(clip, in_order=False)
    assert high - low > 1.5 * (high_1 - low_1)
    assert (np.diff(resampled(9)[:, :3]) % 9 == 1).all()


def test_a_row_and_the_headline_clip_alike():
    truth = np.full((20, 20), 3.0)
    depth = np.where(np.arange(400).reshape(20, 20) == 7, 5000.0, 3.3)  # one disparity near 0
    (row,), headline = by_range([range_sums(depth, truth)]), depth_metrics(depth, truth)
    assert row["rmse_m"] == pytest.approx(headline["rmse"]) and row["abs_rel"] == pytest.approx(
        headline["abs_rel"]
    )


def test_table_by_distance():
    truth = np.repeat([0.5, 3.0, 30.0, 90.0], 100).reshape(20, 20)
    depth = truth * 1.1
    depth[truth == 30] = np.nan
    rows = by_range([range_sums(depth, truth)] * 4)
    assert [(row["from_m"], row["to_m"]) for row in rows] == [
        (0, 1),
        (2, 5),
        (20, 40),
    ]  # 90 m is beyond
    assert rows[0]["abs_rel"] == pytest.approx(0.1) and rows[1]["rmse_m"] == pytest.approx(0.3)
    assert rows[1]["abs_rel_ci"] == pytest.approx([0.1, 0.1]) and rows[1]["delta1"] == 1
    assert rows[2]["coverage"] == 0 and "abs_rel" not in rows[2]
    assert sum(row["share_pct"] for row in rows) == pytest.approx(100) and EDGES_M[-1] == 80


@pytest.mark.parametrize(
    "factor, one, ratio", [(1.0, 68.27, 1.0), (0.5, 38.29, 2.0), (2.0, 95.45, 0.5)]
)
def test_gaussian_errors_are_found_where_gauss_says(factor, one, ratio):
    truth = np.full((200, 300), 40.0)
    true_sigma = np.random.default_rng(1).uniform(0.1, 1.5, truth.shape)
    depth = truth + true_sigma * np.random.default_rng(2).normal(size=truth.shape)
    frame = sigma.sigma_frame(depth, factor * true_sigma, truth)
    figures = sigma.sigma_figures([frame, frame])
    assert figures["within_1_sigma_pct"] == pytest.approx(one, abs=0.6)
    assert figures["median_ratio"] == pytest.approx(ratio, rel=0.03)
    said, found = sigma.reliability([frame])
    np.testing.assert_allclose(found / said, 1 / factor, rtol=0.15)
    assert sigma.sigma_frame(depth, np.full_like(depth, np.nan), truth) is None


def test_sorting_by_sigma():
    error = np.random.default_rng(3).exponential(size=4000)
    assert sigma.sparsification(error, error)[0] == 0
    blind = sigma.sparsification(error, np.random.default_rng(4).uniform(size=4000))
    assert abs(blind[1]) < 0.03 and blind[0] > 0.3
    assert sigma.sparsification(error, -error)[1] < -0.5


def test_mirrored_pair_has_the_same_disparity(make_pair):
    left, right = make_pair(7)
    rig = StereoRig(Camera(96, 56, 80.0, 84.0, 44.25, 30.5), 0.21, doffs_px=3.0)
    mirror = proxies.mirrored(Frame(1, "a", left, right, rig))
    assert mirror.camera.cx == 95 - 47.25 and proxies.mirrored(mirror).rig == rig
    engine = StereoEstimator(load_engine(backend="sgbm", max_disparity_px=32), 32)
    assert np.nanmedian(engine.estimate(mirror).disparity) == pytest.approx(7, abs=0.1)


def test_proxies_know_right_from_wrong(make_pair):
    left, right = make_pair(7)
    good, bad = (np.full(left.shape[:2], value, np.float32) for value in (7, 11))
    assert (
        proxies.photometric_stereo(left, right, good)
        < 1e-3
        < 30
        < proxies.photometric_stereo(left, right, bad)
    )
    assert (
        proxies.left_right_off_pct(good, good) == 0 and proxies.left_right_off_pct(good, bad) == 100
    )


def test_temporal_takes_the_motion_out(camera):
    step = se3_exp([0.0, 0.0, 0.5, 0.0, 0.0, 0.0])  # half a metre ahead, towards a wall at 4 m
    before, now = np.full((56, 96), 4.0, np.float32), np.full((56, 96), 3.5, np.float32)
    assert proxies.temporal(before, camera, now, camera, step) == pytest.approx(0, abs=1e-4)
    assert proxies.temporal(before, camera, now, camera, np.eye(4)) == pytest.approx(
        100 / 7, rel=1e-4
    )
    image = np.zeros((56, 96, 3), np.uint8)
    estimates = [
        Estimate(i, "a", None, image, depth, None, camera=camera)
        for i, depth in enumerate((before, now))
    ]
    judge = proxies.Proxies(None, 2)
    frames = [Frame(i, "a", image, None, None, camera=camera) for i in range(2)]
    assert judge.update(frames[0], estimates[0], None) == {}
    assert set(judge.update(frames[1], estimates[1], step)) == {"temporal_pct", "photometric_grey"}
    judge.forget()
    assert judge.update(frames[1], estimates[1], step) == {}


def test_difference_of_two_models_is_taken_frame_by_frame():
    hard = np.linspace(5, 60, 30)  # frames differ far more than models do
    runs = []
    for name, plus in (("a", 0.0), ("b", 1.0)):
        results = [
            FrameResult(str(i), stereo={"bad2_pct": value + plus}) for i, value in enumerate(hard)
        ]
        runs.append(Evaluation("b", name, "x", results=results))
    gap = compare(*runs)
    assert (
        gap["difference"] == pytest.approx(-1)
        and gap["ci"] == pytest.approx([-1, -1])
        and gap["frames"] == 30
    )
    assert compare(runs[0], Evaluation("b", "c", "x")) is None


def test_album_keeps_the_extremes():
    album, results = (
        Album(8),
        [FrameResult(str(i), depth={"abs_rel": float(i % 37)}, picture=b"x") for i in range(100)],
    )
    for result in results:
        album.add(result)
    kept = {result.error for result in results if result.picture}
    assert len([r for r in results if r.picture]) <= 8 and {0.0, 36.0} <= kept


def test_without_truth_there_are_proxies_by_name(make_bag):
    source = open_source(make_bag(truth=False))
    run = evaluate(
        source, StereoEstimator(load_engine(backend="sgbm", max_disparity_px=32), 32), "m"
    )
    report = to_report(run)
    # every pixel has the same disparity, so the moved picture is the same picture
    assert report["proxies"]["photometric_grey"] < 8 and "temporal_pct" not in report["proxies"]
    assert "proxies.temporal_pct" in report["not_measured"] and "stereo" not in report


def test_page_in_a_browser(make_bag, tmp_path, browser):
    engines = [
        StereoEstimator(load_engine(backend="sgbm", max_disparity_px=n), n) for n in (32, 16)
    ]
    run, other = (
        evaluate(open_source(make_bag(n=6, name=n)), e, n)
        for n, e in zip("ab", engines, strict=True)
    )
    run.findings = [Finding("WARNING", "/left/image_rect", "<script>alert(1)</script>")]
    run.dropped["busy"] = 2
    report = write_report(run, tmp_path / "out", [other])
    assert report["against"][0]["compared"]["frames"] == 6
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == report
    page = (tmp_path / "out" / "report.html").as_uri()
    browser.open(page, (390, 3000))
    text = browser.value("document.documentElement.outerHTML")
    for words in (
        "Side by side",
        "Accuracy by distance",
        "drops by cause",
        "Calibration",
        "Not measured",
        "histogram",
    ):
        assert words in text, words
    assert "<script>" not in text
    picture = browser.screenshot()
    assert picture.shape == (3000, 390, 3) and len(np.unique(picture.reshape(-1, 3), axis=0)) > 500
    assert (
        browser.value("document.documentElement.scrollWidth") == 390
    )  # nothing is wider than a phone
    assert browser.value("[...document.images].every(image => image.naturalWidth > 0)")
