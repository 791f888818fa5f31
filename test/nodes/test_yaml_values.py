from dataclasses import fields

import pytest
import yaml

from depth_ros.nodes.parameters import ParameterError, Parameters
from depth_ros.nodes.yaml_values import as_meant, as_written, how_to_write

FIELDS = {item.name: item for item in fields(Parameters)}
CHOICES = [(name, choice) for name, item in FIELDS.items() for choice in item.metadata["choices"]]


@pytest.mark.parametrize("name, choice", CHOICES)
def test_every_choice_is_taken_as_yaml_reads_it(name, choice):
    """Written without quotes in a file, whatever YAML 1.1 makes of it (off: False)."""
    read = yaml.safe_load(choice)
    item = FIELDS[name]
    assert as_meant(item.default, item.metadata["choices"], read) == choice
    assert as_written(item.default, read, choice) == choice


@pytest.mark.parametrize(
    "values, meant",
    [
        ({"egomotion_method": False}, "off"),
        ({"rectify": "true"}, True),
        ({"rectify": "off"}, False),
        ({"rectify": "Yes"}, True),
        ({"publish_tf": 1}, True),
        ({"autostart": 0}, False),
        ({"sync_tolerance_s": "1e-3"}, 0.001),
        ({"sync_tolerance_s": "0.02"}, 0.02),
        ({"watchdog_s": 3}, 3.0),
        ({"max_disparity_px": "64"}, 64),
        ({"model": "null"}, ""),
        ({"model": "~"}, ""),
        ({"imu_topic": None}, ""),
        ({"base_T_camera": None}, ()),
        ({"backend": "null"}, "auto"),
    ],
)
def test_what_can_only_mean_one_thing_is_taken(values, meant):
    (name,) = values
    found = getattr(Parameters(**values), name)
    assert found == meant and type(found) is type(meant)


@pytest.mark.parametrize(
    "values, words",
    [
        (
            {"egomotion_method": True},
            "expected str .one of off, network, geometric, hybrid., got True: YAML reads on, yes",
        ),
        ({"egomotion_method": "no"}, "got 'no': did you mean 'off'"),
        ({"egomotion_method": "hybird"}, "did you mean 'hybrid'"),
        ({"mode": 2}, "mode: expected str .one of stereo, mono., got 2"),
        ({"rectify": 2}, "rectify: expected bool, got 2"),
        ({"rectify": "maybe"}, "expected bool, got 'maybe'"),
        ({"rectify": 0.0}, "expected bool, got 0.0"),
        ({"max_disparity_px": "64.5"}, "expected int, got '64.5'"),
        ({"max_disparity_px": 64.0}, "expected int, got 64.0"),
        ({"max_disparity_px": True}, "expected int, got True"),
        ({"max_disparity_px": "0x40"}, "expected int, got '0x40'"),
        ({"sync_tolerance_s": "soon"}, "expected float, got 'soon'"),
        ({"sync_tolerance_s": "nan"}, "got nan"),
        ({"odom_frame": 7}, "write odom_frame: '7' in a file"),
    ],
)
def test_what_could_mean_several_things_is_refused(values, words):
    with pytest.raises(ParameterError, match=words):
        Parameters(**values)


@pytest.mark.parametrize("name, value", [("odom_frame", 7), ("base_frame", 1.5), ("model", 123)])
def test_the_advice_is_no_way_into_a_refusal(name, value):
    """What the node says should be written, read as YAML, is text, and taken."""
    advice = how_to_write(name, value).split("write ")[1].split(" in a file")[0]
    read = yaml.safe_load(advice)
    assert read == {name: str(value)}
    assert getattr(Parameters(**read), name) == str(value)


def test_a_text_that_was_written_is_known_again():
    assert as_written("odom", 7, "007") == "007"
    assert as_written("odom", 7, None) == 7
    assert as_written("", "seven", "seven") == "seven"
    assert as_written(1.0, 3, "3") == 3
