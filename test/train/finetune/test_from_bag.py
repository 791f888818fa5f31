"""From a recording to a model: what is refused, held out, resumed and exported, on a room of a
few pixels.
"""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::UserWarning"
)  # of torch's exporter

from bags import START_NS, STEP_NS, BagBuilder  # noqa: E402

from depth_ros.core.camera import Camera, StereoRig  # noqa: E402
from depth_ros.core.errors import InputError  # noqa: E402
from depth_ros.engine.onnx import OnnxEngine  # noqa: E402
from depth_ros.synthetic.renderer import render_stereo  # noqa: E402
from depth_ros.synthetic.scenes import clip_pose, clip_scene  # noqa: E402
from train.data.datasets.bag import HELD_OUT, BagFrames  # noqa: E402
from train.finetune.bag_recipe import load_init, start_weights, widest_step  # noqa: E402
from train.finetune.check_bag import check_bag  # noqa: E402
from train.finetune.from_bag import Options, from_bag, judge, mixed  # noqa: E402
from train.objective import make_objective  # noqa: E402
from train.recipe import Data, Network, Pose, Recipe  # noqa: E402

RIG = StereoRig(Camera(128, 96, 110.0, 112.0, 60.25, 50.5), 0.2)
START = Recipe(
    data=Data(sizes=((96, 128),)),
    network=Network(encoder="efficientnet_lite0", pretrained=False),
    pose=Pose(backbone="efficientnet_lite0", pretrained=False),
)


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A factory: a bag of 20 frames of a moving camera, room(stereo, truth)."""
    pairs = [render_stereo(clip_scene(), RIG, clip_pose(i)) for i in range(20)]
    bags = {}

    def make(stereo, truth=False):
        if (stereo, truth) not in bags:
            bags[stereo, truth] = write(
                tmp_path_factory.mktemp("bag") / "room", pairs, stereo, truth
            )
        return bags[stereo, truth]

    return make


def write(path, pairs, stereo, truth):
    from depth_ros.core.camera import Calibration

    left = RIG.left
    P = (left.fx, 0, left.cx, 0, 0, left.fy, left.cy, 0, 0, 0, 1, 0)

    def calibration(baseline_m=0.0, **_):
        K = (left.fx, 0, left.cx, 0, left.fy, left.cy, 0, 0, 1)
        moved = P[:3] + (-left.fx * RIG.baseline_m if baseline_m else 0.0,) + P[4:]
        return Calibration(
            left.width, left.height, "plumb_bob", (0.0,) * 5, K, (1, 0, 0, 0, 1, 0, 0, 0, 1), moved
        )

    bag = BagBuilder(path, calibration)
    for side in ("left", "right") if stereo else ("left",):
        bag.info(side, START_NS)
        for i, pair in enumerate(pairs):
            bag.image(side, START_NS + i * STEP_NS, pair[side])
    for i, pair in enumerate(pairs if truth else ()):
        bag.depth(START_NS + i * STEP_NS, pair["depth"])
    return bag.close()


def test_stereo_gives_a_metric_model_that_resumes(room, tmp_path):
    bag, out, said = room(stereo=True, truth=True), tmp_path / "own.onnx", []
    result = from_bag(bag, out, Options(minutes=0.05, threads=1, start=START), say=said.append)
    assert "20 frames at 10.0 Hz, stereo" in said[0]
    assert set(result.before) == {
        "photometric",
        "photometric, not moved",
        "abs_rel",
        "abs_rel, median-scaled",
    }
    assert result.after["photometric, not moved"] == result.before["photometric, not moved"]
    assert result.after["photometric"] != result.before["photometric"]
    spec = OnnxEngine(out).spec
    assert (
        spec.is_metric
        and spec.scale_source == "from bag: stereo baseline"
        and "room" in spec.trained_on
    )
    assert spec.focal_px == 110.0 and spec.working_pixels == 96 * 128 and result.parity < 1e-3
    assert f"model:={out}" in str(result)

    again = from_bag(
        bag, out, Options(minutes=0.05, threads=1, start=START), say=said.append
    )  # nothing left to do
    assert again.minutes == result.minutes and again.after == pytest.approx(result.after)
    assert again.before == pytest.approx(result.before)
    with pytest.raises(InputError, match="another recording"):
        from_bag(
            room(stereo=False), out, Options(minutes=0.05, threads=1, start=START), say=said.append
        )

    recipe, weights = load_init(out)
    recipe = replace(recipe, network=replace(recipe.network, scales=1))
    objective = make_objective(recipe)
    objective.load_state_dict(start_weights(objective, weights))
    measured = judge(objective, recipe, BagFrames(bag, HELD_OUT))
    assert measured == pytest.approx(
        result.after, rel=1e-3
    )  # the model holds all that a next training needs


def test_one_camera_gives_a_relative_model(room, tmp_path):
    out = tmp_path / "own.onnx"
    result = from_bag(
        room(stereo=False),
        out,
        Options(minutes=0.03, threads=1, start=START),
        say=lambda text: None,
    )
    spec = OnnxEngine(out).spec
    assert not spec.is_metric and "relative" in str(result)
    assert set(result.after) == {"photometric", "photometric, not moved"}


def test_the_true_depth_is_judged_better_than_a_wrong_one(room):
    """A network that answers one depth: the photometric error is least near the depth that the
    room has.
    """
    recipe = replace(START, data=replace(START.data, reader="bag", stereo=True))
    recipe = replace(recipe, loss=replace(recipe.loss, photometric=1.0))
    objective = make_objective(recipe)
    frames = BagFrames(room(stereo=True, truth=True), HELD_OUT)
    typical = float(np.nanmedian(frames[0].depth))

    def error(depth_m):
        objective.metric = lambda inv_depth, batch: torch.full_like(inv_depth, 1 / depth_m)
        return judge(objective, recipe, frames)["photometric"]

    assert error(typical) < min(error(typical / 3), error(typical * 30))


def test_a_bag_that_cannot_teach_is_refused_before_anything_is_written(shared_data, tmp_path):
    bag = shared_data / "bags" / "euroc_static_unrectified"
    with pytest.raises(InputError, match="stands still"):
        from_bag(
            bag, tmp_path / "own.onnx", Options(minutes=0.01, start=START), say=lambda text: None
        )
    assert list(tmp_path.iterdir()) == []


def test_the_step_leaves_frames_to_hold_out(room):
    report = replace(check_bag(room(stereo=False)), step=16)
    parts = [BagFrames(room(stereo=False), part) for part in (("train",), HELD_OUT)]
    assert widest_step(report, parts).step == 1  # four frames are held out


def test_what_cannot_start_a_training_is_refused(tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"")
    with pytest.raises(InputError, match=r"recipe\.yaml"):
        load_init(tmp_path / "checkpoint.pt")
    objective = make_objective(START)
    with pytest.raises(InputError, match="this depth network"):
        start_weights(objective, {"depth.other": torch.zeros(1)}, "a name")


def test_the_result_is_a_mix_of_start_and_training():
    start = {
        "depth.a": torch.tensor([0.0, 2.0]),
        "depth.count": torch.tensor(3),
        "pose.a": torch.tensor(1.0),
    }
    trained = {
        "depth.a": torch.tensor([4.0, 6.0]),
        "depth.count": torch.tensor(9),
        "pose.a": torch.tensor(7.0),
    }
    result = mixed(start, trained, 0.25)
    assert result["depth.a"].tolist() == [3.0, 5.0] and (
        result["depth.count"],
        result["pose.a"],
    ) == (9, 7.0)
    with pytest.raises(InputError, match="1.5"):
        mixed(start, trained, 1.5)
