"""Runs and models in one table; a relative one is never judged in metres."""

import numpy as np
import pytest

from depth_ros.core.camera import Camera
from depth_ros.core.errors import InputError
from depth_ros.core.lie import se3_exp
from train.data.view import View

torch = pytest.importorskip("torch")
compare = pytest.importorskip("train.evaluate.compare")
recipes = pytest.importorskip("train.recipe")


class Track(list):
    """Views in a row."""

    def neighbour(self, index, offset):
        return index + offset if 0 <= index + offset < len(self) else None


@pytest.fixture
def frames():
    random, camera = np.random.default_rng(0), Camera(96, 64, 80.0, 80.0, 47.5, 31.5)
    images = random.integers(0, 256, (3, 64, 96, 3), dtype=np.uint8)
    depth = np.full((64, 96), 4.0, np.float32)
    poses = [se3_exp([0, 0, 0.5 * i, 0, 0, 0]) for i in range(3)]
    return Track(
        View(image, camera, depth=depth, world_T_camera=pose) for image, pose in zip(images, poses)
    )


@pytest.fixture
def make_run(tmp_path):
    """A factory: a run folder with fresh weights, as fit leaves it."""

    def make(name, **sections):
        from train.objective import make_objective

        values = {
            "data": {"sizes": [[64, 96]], "offsets": [-1, 1]},
            "network": {"pretrained": False},
        }
        values |= {"pose": {"use": True, "encoder": "shared", "pretrained": False}, **sections}
        recipe = recipes.Recipe.from_dict(values)
        (tmp_path / name).mkdir()
        recipe.save(tmp_path / name / "recipe.yaml")
        weights = {
            f"module.{key}": value for key, value in make_objective(recipe).state_dict().items()
        }
        torch.save({"average": weights}, tmp_path / name / "checkpoint.pt")
        return tmp_path / name

    return make


def rows(table):
    return [
        tuple(cell.strip() for cell in line.strip("|").split("|")[:2])
        for line in table.splitlines()[2:]
    ]


def test_metres_are_judged_only_where_there_are_any(make_run, frames):
    video, known = (
        make_run("video", loss={"photometric": 1.0}),
        make_run("known", loss={"silog": 1.0}),
    )
    expected = [
        ("mean depth", "none"),
        ("mean depth", "median"),
        ("mean picture", "none"),
        ("mean picture", "median"),
    ]
    expected += [("video", "median"), ("known", "none"), ("known", "median")]
    table = compare.compare_depth([video, known], frames, frames, compare.Judging(most=1))
    assert rows(table) == expected
    assert "| mean depth | none | 0.000 |" in table  # the mean of 4 m is 4 m
    flipped = compare.Judging(alignments=("scale-shift",), flip=True, most=1)
    table = compare.compare_depth([known], frames, judging=flipped)
    assert rows(table) == [("known (flip)", "scale-shift")]


def test_untrained_motion_is_nearly_none(make_run, frames):
    table = compare.compare_pose([make_run("shared", loss={"photometric": 1.0})], frames, frames)
    figures = {line.split("|")[1].strip(): line.split("|")[2:5] for line in table.splitlines()[2:]}
    assert float(figures["zero motion"][2]) == 0.5 and float(figures["constant motion"][2]) == 0.0
    assert float(figures["shared"][2]) == pytest.approx(0.5, abs=0.1)


def test_refuses(make_run, frames, tmp_path):
    stands_still = make_run(
        "still", data={"sizes": [[64, 96]]}, pose={"use": False}, loss={"silog": 1.0}
    )
    for call in (
        lambda: compare.depth_predictor(tmp_path),
        lambda: compare.pose_predictor(stands_still),
        lambda: compare.pose_predictor(tmp_path / "nothing"),
    ):
        with pytest.raises(InputError, match="expected a run"):
            call()
