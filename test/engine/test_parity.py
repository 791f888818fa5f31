"""The gates see every output: its mean, its tail, single rows and columns, and what is not
finite.
"""

import numpy as np
import pytest

from depth_ros.core.errors import EngineError
from depth_ros.engine.parity import ParityError, check_parity, refusal, still_valid
from depth_ros.engine.spec import ModelSpec
from depth_ros.engine.tolerances import QUANTITIES, TOLERANCES

HEIGHT, WIDTH = 480, 640
SPECS = {
    "stereo": ModelSpec(
        "s", "stereo", ("left", "right"), ("disparity", "log_sigma"), 0, 0, divisor=8
    ),
    "mono": ModelSpec("m", "mono", ("image",), ("depth", "log_rel_sigma"), 0, 0, divisor=8),
    "pose": ModelSpec(
        "p", "pose", ("first", "second"), ("pose",), 0, 0, pose_direction="first_T_second"
    ),
}


class Answers:
    """Gives the same answers to every frame."""

    def __init__(self, task, **answers):
        self.spec, self.answers = SPECS[task], answers

    def run(self, inputs):
        return {name: value.copy() for name, value in self.answers.items()}


def stereo(change=lambda disparity, log_sigma: None):
    """A slanted plane of 10 to 40 px, half a pixel sure, changed in place."""
    disparity = np.tile(np.linspace(10, 40, WIDTH, dtype=np.float32), (HEIGHT, 1))[None, None]
    log_sigma = np.full((1, 1, HEIGHT, WIDTH), np.log(0.5), np.float32)
    change(disparity, log_sigma)
    return Answers("stereo", disparity=disparity, log_sigma=log_sigma)


def judge(change, precision="fp16"):
    return check_parity(stereo(change), stereo(), precision, [{}])


def all_but_mean(disparity, log_sigma):
    disparity[..., 100] += 20
    log_sigma[:] = np.nan


def column(disparity, log_sigma):
    disparity[..., 100] += 20  # 0.031 px on average, which is below what fp16 was allowed


def column_of_three(disparity, log_sigma):
    disparity[..., 100] += 2.9  # not one gross error


def tile(disparity, log_sigma):
    disparity[..., :16, :16] += 10  # 0.008 px on average, 0.08 % of the pixels


def sigma_nan(disparity, log_sigma):
    log_sigma[:] = np.nan


def sigma_doubled(disparity, log_sigma):
    log_sigma += np.float32(np.log(2))


def one_infinite(disparity, log_sigma):
    disparity[0, 0, 3, 5] = np.inf


def noise(disparity, log_sigma):
    disparity += (
        np.random.default_rng(1)
        .choice([0, 2], disparity.shape, p=[0.985, 0.015])
        .astype(np.float32)
        / 4
    )


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize(
    "change", [all_but_mean, column, tile, sigma_nan, sigma_doubled, one_infinite]
)
def test_what_a_mean_of_the_first_output_does_not_show(change, precision):
    if precision == "int8" and change in (tile, sigma_doubled):
        change = {
            tile: lambda d, s: d[..., :16, :16].__iadd__(30),
            sigma_doubled: lambda d, s: s.__iadd__(1.4),
        }[change]
    with pytest.raises(ParityError, match="cure: "):
        judge(change, precision)


@pytest.mark.parametrize(
    "change, words",
    [
        (
            lambda d, s: d.__iadd__(0.021),
            "disparity within 0.02 px of ONNX Runtime on average .*got 0.021 over 1 frames",
        ),
        (noise, "disparity within 0.2 px of ONNX Runtime at 99 %.*got 0.5"),
        (
            column_of_three,
            "disparity within 0.2 px of ONNX Runtime in each row and column.*got 2.9",
        ),
        (sigma_nan, "log_sigma .*finite where ONNX Runtime is, got .*0.0% finite against 100.0%"),
        (sigma_doubled, "log_sigma within 0.01 of ln sigma"),
    ],
)
def test_the_words_name_the_output_and_the_figure(change, words):
    with pytest.raises(ParityError, match=words):
        judge(change)


def test_what_halves_make_passes_and_is_kept_of_every_output():
    def rounded(disparity, log_sigma):
        disparity += np.float32(0.004)
        disparity[0, 0, 7, 9] += 5  # a match chosen anew at an edge
        log_sigma[:] = log_sigma.astype(np.float16)

    outcome = judge(rounded)
    assert (outcome["output"], outcome["unit"], outcome["frames"]) == ("disparity", "px", 1)
    assert outcome["mean"] == pytest.approx(0.004, rel=0.01) and outcome["max"] == pytest.approx(
        5, rel=0.01
    )
    assert outcome["outputs"]["disparity"]["share"] == pytest.approx(1 / (HEIGHT * WIDTH))
    assert 0 < outcome["outputs"]["log_sigma"]["max"] < 2**-11


def test_a_difference_on_the_last_frame_counts():
    class Second(Answers):
        count = 0

        def run(self, inputs):
            self.count += 1
            return stereo(column if self.count == 2 else lambda d, s: None).run(inputs)

    assert check_parity(Second("stereo"), stereo(), "fp16", [{}])
    with pytest.raises(ParityError, match="over 3 frames"):
        check_parity(Second("stereo"), stereo(), "fp16", [{}, {}, {}])


def test_depth_counts_relative_to_itself_and_nothing_proves_nothing():
    depth = np.geomspace(0.5, 80, HEIGHT * WIDTH, dtype=np.float32).reshape(1, 1, HEIGHT, WIDTH)
    flat = np.zeros_like(depth)
    wanted = Answers("mono", depth=depth, log_rel_sigma=flat)
    outcome = check_parity(
        Answers("mono", depth=depth * np.float32(1.005), log_rel_sigma=flat), wanted, "fp16", [{}]
    )
    assert outcome["mean"] == pytest.approx(0.005, rel=1e-3)
    with pytest.raises(ParityError, match="depth within 0.01 of the depth"):
        check_parity(
            Answers("mono", depth=depth * np.float32(1.02), log_rel_sigma=flat),
            wanted,
            "fp16",
            [{}],
        )
    unknown = Answers("mono", depth=depth * np.float32(np.nan), log_rel_sigma=flat)
    with pytest.raises(ParityError, match="0.0% finite"):
        check_parity(unknown, unknown, "fp16", [{}])
    with pytest.raises(ParityError, match="0 frames"):
        check_parity(wanted, wanted, "fp16", [])


def test_each_number_of_a_pose_counts():
    pose = np.array([[0.01, 0, 0, 0, 0.1, 0.5]], np.float32)
    assert (
        check_parity(Answers("pose", pose=pose), Answers("pose", pose=pose), "fp32", [{}])["mean"]
        == 0
    )
    off = pose.copy()
    off[0, 5] += 0.011  # 0.0018 on average
    with pytest.raises(ParityError, match="pose"):
        check_parity(Answers("pose", pose=off), Answers("pose", pose=pose), "fp16", [{}])


@pytest.mark.parametrize(
    "precision, cure",
    [("int8", "--calibrate BAG.*or take fp16"), ("fp16", "precision fp32"), ("fp32", "driver")],
)
def test_a_refusal_names_its_cure(precision, cure):
    with pytest.raises(ParityError, match=f"cure: .*{cure}"):
        judge(lambda d, s: d.__iadd__(9), precision)


def test_a_refusal_does_not_outlast_its_tolerances():
    try:
        judge(column)
    except EngineError as error:
        kept = refusal(error)
    assert still_valid(kept) == kept and "disparity" in kept["refused"]
    assert still_valid({**kept, "tolerances": "0"}) == {} == still_valid(None)
    assert still_valid({"mean": 0.04}) == {}  # an outcome of the time before every output was seen
    passed = judge(lambda d, s: None)
    assert still_valid(passed) == passed and passed["tolerances"] == TOLERANCES


def test_a_column_of_any_image_is_more_than_the_share_allowed():
    shares = [t.share for quantity in QUANTITIES.values() for t in quantity.by_precision.values()]
    assert max(shares) < 1 / 2000
