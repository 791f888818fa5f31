from array import array
from dataclasses import fields

import pytest

from depth_ros.nodes.parameters import ParameterError, Parameters, refuse_unknown


@pytest.mark.parametrize(
    "values, words",
    [
        (
            {"backend": "cuda"},
            "backend: expected one of auto, onnxruntime, tensorrt, sgbm, got 'cuda'",
        ),
        ({"mode": "lidar"}, "mode: expected one of stereo, mono"),
        ({"scale_source": "camera_height"}, "camera_height_m: expected metres above 0"),
        ({"scale_source": "odometry"}, "odometry_topic: expected a topic"),
        ({"image_topic": ""}, "image_topic: expected a topic"),
        ({"max_disparity_px": 8}, "max_disparity_px: expected 16 to 1024, got 8"),
        ({"max_disparity_px": 64.0}, "expected int, got 64.0"),
        ({"max_disparity_px": True}, "expected int, got True"),
        ({"sync_tolerance_s": float("nan")}, "expected 0.0 to 1.0, got nan"),
        ({"rectify": "perhaps"}, "rectify: expected bool, got 'perhaps'"),
        ({"left_image_topic": ""}, "left_image_topic: expected a topic"),
        ({"color_near_m": 60.0}, "color_near_m: expected less than color_far_m"),
    ],
)
def test_a_bad_value_is_refused(values, words):
    with pytest.raises(ParameterError, match=words):
        Parameters(**values)


def test_an_integer_is_fine_where_a_float_is_meant():
    assert Parameters(sync_tolerance_s=0).sync_tolerance_s == 0.0
    assert type(Parameters(sync_tolerance_s=1).sync_tolerance_s) is float


def test_live_changes():
    parameters = Parameters()
    assert (
        parameters.changed({"depth_encoding": "16UC1"}, configured=True).depth_encoding == "16UC1"
    )
    assert parameters.changed({"backend": "sgbm"}, configured=False).backend == "sgbm"
    assert parameters.changed({"backend": "auto"}, configured=True) == parameters
    with pytest.raises(ParameterError, match="backend is read when the node is configured"):
        parameters.changed({"backend": "sgbm"}, configured=True)
    with pytest.raises(ParameterError, match="watchdog_s: expected 0.5 to 600.0, got 0.0"):
        parameters.changed({"watchdog_s": 0}, configured=True)


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(ParameterError, match="unknown parameter 'bakend': did you mean backend"):
        refuse_unknown(["bakend"])
    refuse_unknown(["use_sim_time", "qos_overrides./depth/image_rect.publisher.depth", "rectify"])


def test_every_parameter_is_described():
    for item in fields(Parameters):
        assert len(item.metadata["text"]) > 10
        assert (item.metadata["low"] is not None) == (type(item.default) in (int, float))
        if item.name.endswith(("_s", "_m", "_px")):
            unit = {"_s": "seconds", "_m": "metres", "_px": "pixels"}[
                "_" + item.name.split("_")[-1]
            ]
            assert unit in item.metadata["text"], item.name


@pytest.mark.parametrize(
    "value, words",
    [
        ([1.0, 2.0, 3.0], "expected 7 finite numbers x y z qx qy qz qw, got"),
        ([0, 0, 0, 0, 0, 0, 0], "quaternion of length 1, got one of length 0.000"),
        ([0, 0, float("nan"), 0, 0, 0, 1], "expected 7 finite numbers"),
        ("0 0 0 0 0 0 1", "expected 7 numbers"),
    ],
)
def test_a_pose_that_is_none_is_refused(value, words):
    with pytest.raises(
        ParameterError, match=f"base_T_camera: {words}|base_T_camera: expected a {words}"
    ):
        Parameters(base_T_camera=value)


def test_a_pose_may_come_as_ros_gives_it():
    pose = 1.0, 2.0, 3.0, 0.0, 0.0, 0.0, 1.0
    assert Parameters(base_T_camera=array("d", pose)).base_T_camera == pose
    assert Parameters(base_T_camera=[]).base_T_camera == ()


@pytest.mark.parametrize(
    "values, words",
    [
        ({"odom_frame": ""}, "odom_frame: expected a frame"),
        ({"base_frame": "odom"}, "base_frame: expected another frame than odom_frame"),
        (
            {"egomotion_method": "magic"},
            "egomotion_method: expected one of off, network, geometric, hybrid",
        ),
    ],
)
def test_frames_and_methods_are_checked(values, words):
    with pytest.raises(ParameterError, match=words):
        Parameters(**values)


def test_frames_have_no_leading_slash():
    parameters = Parameters(odom_frame="/odom", base_frame="//robot/base")
    assert (parameters.odom_frame, parameters.base_frame) == ("odom", "robot/base")
    with pytest.raises(ParameterError, match="another frame than odom_frame"):
        Parameters(odom_frame="/map", base_frame="map")


def test_a_value_that_means_what_is_set_is_no_change():
    parameters = Parameters(egomotion_method="off")
    assert (
        parameters.changed({"egomotion_method": False, "sync_tolerance_s": 0}, configured=True)
        == parameters
    )


def test_topics_of_a_side():
    stereo = Parameters(left_image_topic="a", right_image_topic="b", right_info_topic="c")
    assert [stereo.image_topic_of(side) for side in stereo.sides] == ["a", "b"]
    assert [stereo.info_topic_of(side) for side in stereo.sides] == ["left/camera_info", "c"]
    mono = Parameters(mode="mono", image_topic="d", info_topic="e")
    assert mono.sides == ("",)
    assert (mono.image_topic_of(""), mono.info_topic_of("")) == ("d", "e")
