import json

import pytest

from depth_ros.core.errors import SpecError
from depth_ros.engine.spec import ModelSpec


def make(**changes):
    values = {
        "name": "tiny",
        "task": "stereo",
        "inputs": ("left", "right", "prior"),
        "outputs": ("disparity", "log_sigma"),
        "height": 64,
        "width": 96,
        "mean": (1.0, 2.0, 3.0),
        "trained_on": "a procedural world",
    }
    return ModelSpec(**{**values, **changes})


def test_json_round_trip():
    assert ModelSpec.from_json(make().to_json()) == make()


@pytest.mark.parametrize(
    "changes, named",
    [
        ({"task": "flow"}, "task"),
        ({"inputs": ("left",)}, "inputs"),
        ({"inputs": ("left", "right", "depth_hint")}, "inputs"),
        ({"inputs": ("left", "right", "left")}, "inputs"),
        ({"outputs": ("log_sigma",)}, "outputs"),
        ({"height": 65}, "height"),
        ({"height": 0}, "height"),
        ({"height": "64"}, "height"),
        ({"height": 64.0}, "height"),
        ({"divisor": 0}, "divisor"),
        ({"std": (1.0, 0.0, 1.0)}, "std"),
        ({"mean": (1.0, 2.0)}, "mean"),
        ({"mean": (1.0, 2.0, float("nan"))}, "mean"),
        ({"version": 1}, "version"),
        ({"focal_px": -1.0}, "focal_px"),
        ({"focal_px": True}, "focal_px"),
        ({"working_pixels": 60_000}, "working_pixels"),
        ({"value_range": (2.0, 1.0)}, "value_range"),
        ({"value_range": (0.1, float("inf"))}, "value_range"),
        ({"pose_direction": "first_T_second"}, "pose_direction"),
        ({"prior_scale": 0}, "prior_scale"),
        ({"divisor": 1, "prior_scale": 2}, "prior_scale"),
        ({"recipe": None}, "recipe"),
        ({"name": None}, "name"),
    ],
)
def test_refuses_and_names_the_key(changes, named):
    with pytest.raises(SpecError, match=f"{named}.*expected.*got"):
        make(**changes)


def test_json_with_other_keys_or_version():
    values = json.loads(make().to_json())
    with pytest.raises(SpecError, match="speed"):
        ModelSpec.from_json(json.dumps({**values, "speed": 1}))
    with pytest.raises(SpecError, match=r"missing.*divisor"):
        ModelSpec.from_json(json.dumps({key: v for key, v in values.items() if key != "divisor"}))
    with pytest.raises(SpecError, match="version: expected 2, got 7"):
        ModelSpec.from_json(json.dumps({**values, "version": 7, "later": True}))


def test_a_file_from_before_the_scale_of_the_prior():
    values = json.loads(make().to_json())
    del values["prior_scale"]
    assert ModelSpec.from_json(json.dumps(values)) == make()
    assert make(prior_scale=2).shape("prior", (64, 96)) == (1, 2, 32, 48)
    assert make(prior_scale=2).shape("left", (64, 96)) == (1, 3, 64, 96)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", None])
def test_not_a_spec(text):
    with pytest.raises(SpecError, match="expected"):
        ModelSpec.from_json(text)


def test_a_pose_says_its_direction():
    values = {"task": "pose", "inputs": ("first", "second"), "outputs": ("pose",)}
    spec = make(**values, pose_direction="first_T_second", scale_source="none")
    assert (spec.is_metric, ModelSpec.from_json(spec.to_json())) == (False, spec)
    with pytest.raises(SpecError, match="pose_direction: expected.*first_T_second.*got"):
        make(**values)


def test_metres_per_canonical_unit():
    mono = {
        "task": "mono",
        "inputs": ("image",),
        "outputs": ("depth", "log_rel_sigma"),
        "height": 0,
        "width": 0,
    }
    spec = make(**mono, focal_px=200.0, working_pixels=60_000, value_range=(0.1, 100.0))
    assert spec.focal_ratio(300.0) == 1.5
    assert ModelSpec.from_json(spec.to_json()) == spec
    assert make(**mono).focal_ratio(300.0) == 1.0
    assert make().is_metric
