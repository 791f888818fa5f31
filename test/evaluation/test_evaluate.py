"""Evaluation and its report: figures that geometry gives, keys that the contract gives."""

import json
import re

import numpy as np
import pytest

from depth_ros.core.errors import InputError
from depth_ros.engine.load import load_engine
from depth_ros.estimator.stereo import StereoEstimator
from depth_ros.evaluation.evaluate import Evaluation, FrameResult, evaluate
from depth_ros.evaluation.report.figures import KEYS, to_report
from depth_ros.evaluation.report.report import chosen, write_report
from depth_ros.evaluation.report.verdict import verdict
from depth_ros.recordings.sample import open_source


@pytest.fixture
def estimator():
    return StereoEstimator(load_engine(backend="sgbm", max_disparity_px=32), 32)


def keys_of(report):
    """Every dotted key that a report measures or names as not measured."""
    measured = [f"{section}.{key}" for section in KEYS for key in report.get(section, {})]
    return sorted(measured + report["not_measured"])


ALL_KEYS = sorted(f"{section}.{key}" for section, keys in KEYS.items() for key in keys)


def test_bag_with_truth(make_bag, estimator):
    report = to_report(evaluate(open_source(make_bag()), estimator, "m"))
    assert report["frames"] == {"in": 3, "out": 3, "dropped": {}}
    # The pair is exact: only the strip that the right camera does not see may be wrong.
    assert report["stereo"]["epe_px"] < 1 and report["stereo"]["bad2_pct"] < 100 * 12 / 96
    assert report["depth"]["abs_rel"] < 0.05 and report["depth"]["scaling"] == "none"
    assert list(report["stereo"]["per_scene"]) == ["bag"]
    assert keys_of(report) == ALL_KEYS and "odometry" not in report


def test_without_truth_accuracy_is_not_measured(make_bag, estimator):
    report = to_report(evaluate(open_source(make_bag(truth=False)), estimator, "m"))
    assert "depth" not in report and "stereo" not in report
    assert {"depth.abs_rel", "stereo.per_scene", "odometry.ate_m"} <= set(report["not_measured"])
    assert keys_of(report) == ALL_KEYS


def test_nominal_scene_is_judged_by_disparity_only(make_scene, estimator):
    report = to_report(evaluate(open_source(make_scene(nominal=True)), estimator, "m"))
    assert "depth" not in report and list(report["stereo"]["per_scene"]) == ["Room"]


def test_metric_scene_is_judged_by_depth_too(make_scene, estimator):
    assert to_report(evaluate(open_source(make_scene()), estimator, "m"))["depth"]["abs_rel"] < 0.05


def test_same_input_same_figures(make_bag, estimator):
    first, second = (
        to_report(evaluate(open_source(make_bag(name=n)), estimator, "m")) for n in "ab"
    )
    for report in (first, second):
        report["stereo"].pop("per_scene")
    assert (first["stereo"], first["depth"]) == (second["stereo"], second["depth"])


def test_no_usable_pair_is_an_error_that_says_why(bag_builder, pair, estimator):
    bag = bag_builder()
    for side, image in zip(("left", "right"), pair, strict=True):
        bag.info(side, 5, K=(0,) * 9)
        bag.image(side, 5, image)
    with pytest.raises(InputError, match=r"got none: bad_calibration 1 \(K: expected positive"):
        evaluate(open_source(bag.close()), estimator, "m")


def test_unanswered_pixels_count_as_bad(make_bag, estimator):
    half = estimator.engine.run

    def blind(inputs):
        outputs = half(inputs)
        outputs["disparity"][..., :28, :] = np.nan  # half of 56 rows
        return outputs

    estimator.engine.run = blind
    report = to_report(evaluate(open_source(make_bag(n=1)), estimator, "m"))
    assert (
        report["stereo"]["coverage"] == 0.5
        and 50 <= report["stereo"]["bad2_pct"] < 50 + 100 * 12 / 96
    )


def test_report_files(make_bag, estimator, tmp_path):
    run = evaluate(open_source(make_bag()), estimator, "m")
    report = write_report(run, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == report
    html = (tmp_path / "out" / "report.html").read_text()
    assert "3 of 3 pairs answered (100 %)" in html and "width=device-width" in html
    assert not re.search(r'(src|href)="(?!data:)', html)  # nothing loaded from elsewhere
    assert html.count("data:image/jpeg") == 3 and "not asked for: --egomotion hybrid" in html
    assert sorted(child.name for child in (tmp_path / "out").iterdir()) == [
        "report.html",
        "report.json",
    ]


def test_pictures_show_worst_median_best():
    results = [
        FrameResult(str(i), stereo={"bad2_pct": e}, picture=b"x")
        for i, e in enumerate((3, 9, 1, 5, 7))
    ]
    assert [(label, r.stereo["bad2_pct"]) for label, r in chosen(results)] == [
        ("worst", 9),
        ("median", 5),
        ("best", 1),
    ]
    assert len(chosen(results[:2])) == 2 and chosen([]) == []


def test_verdict_names_drops_and_what_is_unaccounted():
    run = Evaluation(
        "b", "m", "sgbm", frames_in=10, dropped={"busy": 3}, results=[FrameResult("1")] * 6
    )
    text = " ".join(verdict(run, to_report(run)))
    assert (
        "6 of 10 pairs answered (60 %); dropped: 3 busy." in text
        and "1 pairs are NOT accounted for" in text
    )
