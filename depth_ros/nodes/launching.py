"""What the launch files share: declare arguments, start depth_node with those that were given.

Needs ROS's `launch`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

import yaml
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.logging import get_logger
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from .transport import transport_environment

AS_CONFIGURED = ""  # not given on the command line
NAMESPACE = "namespace of the node and its topics"
REMAP = "topics of the node to rename: 'points:=/cloud odom:=/vo', or a YAML file {topic: new name}"
_KINDS = {bool: "true or false", float: "a number"}
_COMMON = {
    "rectify": (bool, "true: the images are raw and are rectified with D, R and P of camera_info"),
    "autostart": (bool, "false: wait for a lifecycle manager to configure and activate the node"),
    "use_sim_time": (
        bool,
        "true: take the time from /clock (bags played with --clock, simulators)",
    ),
}


def describe(
    params_file: Path, arguments: dict[str, tuple[type, str]], **fixed
) -> LaunchDescription:
    """Declare namespace, params_file, remap, the given arguments and those that every mode has;
    then the node.

    An argument that is not given leaves the matter to params_file, and that to the node's own
    defaults. arguments: name, also of the node's parameter: (type, description). fixed: parameters
    that this launch file stands for, whatever params_file says.
    """
    arguments = {**arguments, **_COMMON}
    declared = [
        declare("namespace", NAMESPACE),
        declare(
            "params_file",
            "YAML file of parameters, as those of config/ and config/cameras/",
            params_file,
        ),
        declare("remap", REMAP),
        *(declare(name, text) for name, (_, text) in arguments.items()),
    ]
    return description(declared, lambda context: _node(context, arguments, fixed))


def description(declared: list[DeclareLaunchArgument], start: Callable) -> LaunchDescription:
    """Describe a launch: its arguments, and the actions that start(context) makes of them.

    ros2 launch takes any name; one that is nearly an argument's gets a warning. No error: it may be
    an including file's own.
    """
    names = [argument.name for argument in declared]

    def function(context):
        for name in context.launch_configurations:
            if name not in names and (near := get_close_matches(name, names, n=1, cutoff=0.75)):
                get_logger("depth_ros").warning(
                    f"unknown launch argument {name!r}: did you mean {near[0]!r}?"
                )
        return start(context)

    return LaunchDescription([*declared, OpaqueFunction(function=function)])


def declare(
    name: str, description: str, default=AS_CONFIGURED, choices=None
) -> DeclareLaunchArgument:
    """Declare an argument that may be left out."""
    return DeclareLaunchArgument(
        name, default_value=str(default), description=description, choices=choices
    )


def given(context, name: str) -> str:
    """Give the text of an argument; AS_CONFIGURED where it was left out."""
    return LaunchConfiguration(name).perform(context).strip()


def flag(context, name: str) -> bool:
    """Read true or false, in any of YAML's spellings; raises ValueError naming the argument."""
    return _typed(name, given(context, name), bool)


def file_of_parameters(text: str) -> str:
    """Give the path back; ValueError where there is no such file, for which launch_ros has no
    more than a warning.
    """
    if not Path(text).is_file():
        raise ValueError(f"params_file: expected a YAML file, got none at {text}")
    return text


def remappings(text: str) -> list[tuple[str, str]]:
    """Read FROM:=TO FROM:=TO ..., or a YAML file that maps from to to; raises ValueError for
    anything else.
    """
    if text.endswith((".yaml", ".yml")) and ":=" not in text:
        if not Path(text).is_file():
            raise ValueError(f"remap: expected FROM:=TO or a YAML file, got no file at {text}")
        pairs = yaml.safe_load(Path(text).read_text())
        if not isinstance(pairs, dict) or not all(
            isinstance(name, str) for item in pairs.items() for name in item
        ):
            raise ValueError(f"remap: expected {text} to map topics to topics, got {pairs!r}")
        return list(pairs.items())
    pairs = [tuple(word.split(":=")) for word in text.split()]
    if wrong := [pair for pair in pairs if len(pair) != 2 or not all(pair)]:
        raise ValueError(f"remap: expected FROM:=TO, got {':='.join(wrong[0])!r}")
    return pairs


def depth_node(parameters: list, remap: str) -> Node:
    """Make the action that starts depth_node in the launch argument `namespace`."""
    return Node(
        package="depth_ros",
        executable="depth_node",
        name="depth_node",
        namespace=LaunchConfiguration("namespace"),
        parameters=parameters,
        remappings=remappings(remap),
        additional_env=environment(),
        output="screen",
    )


def environment() -> dict[str, str]:
    """Give what large images need before a process starts; what the user has set stays."""
    return {key: value for key, value in transport_environment().items() if key not in os.environ}


def _node(context, arguments, fixed):
    """Make the node; only now is it known which arguments were given."""
    texts = {name: text for name in arguments if (text := given(context, name)) != AS_CONFIGURED}
    overrides = {
        **{name: _typed(name, text, arguments[name][0]) for name, text in texts.items()},
        **fixed,
    }
    file = file_of_parameters(given(context, "params_file"))
    return [depth_node([file, *([overrides] if overrides else [])], given(context, "remap"))]


def _typed(name: str, text: str, kind: type):
    """Read an argument; text stays text even where it looks like a number.

    Raises ValueError naming the argument.
    """
    if kind is str:
        return ParameterValue(text, value_type=str)
    value = yaml.safe_load(text)
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise ValueError(f"{name}: expected {_KINDS[kind]}, got {text!r}")
    return value
