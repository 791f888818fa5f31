"""What the launch files share: declare arguments, start depth_node with those that were given. Needs ROS's `launch`."""

from __future__ import annotations

import os
from pathlib import Path

import yaml
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from .transport import transport_environment

AS_CONFIGURED = ""  # not given on the command line
NAMESPACE = "namespace of the node and its topics"
REMAP = "topics of the node to rename: 'points:=/cloud odom:=/vo', or a YAML file {topic: new name}"
_COMMON = {
    "rectify": (bool, "true: the images are raw and are rectified with D, R and P of camera_info"),
    "autostart": (bool, "false: wait for a lifecycle manager to configure and activate the node"),
    "use_sim_time": (bool, "true: take the time from /clock (bags played with --clock, simulators)"),
}


def describe(params_file: Path, arguments: dict[str, tuple[type | None, str]], **fixed) -> LaunchDescription:
    """Declare namespace, params_file, remap, the given arguments and those that every mode has; then the node.

    An argument that is not given leaves the matter to params_file, and that to the node's own defaults.
    arguments: name, also of the node's parameter: (type, or None for any number; description). fixed: parameters that
    this launch file stands for, whatever params_file says.
    """
    arguments = {**arguments, **_COMMON}
    return LaunchDescription(
        [
            declare("namespace", NAMESPACE),
            declare("params_file", "YAML file of parameters, as those of config/ and config/cameras/", params_file),
            declare("remap", REMAP),
            *(declare(name, text) for name, (_, text) in arguments.items()),
            OpaqueFunction(function=_node, args=[arguments, fixed]),
        ]
    )


def declare(name: str, description: str, default=AS_CONFIGURED, choices=None) -> DeclareLaunchArgument:
    """Declare an argument that may be left out."""
    return DeclareLaunchArgument(name, default_value=str(default), description=description, choices=choices)


def given(context, name: str) -> str:
    """Give the text of an argument; AS_CONFIGURED where it was left out."""
    return LaunchConfiguration(name).perform(context).strip()


def remappings(text: str) -> list[tuple[str, str]]:
    """Read FROM:=TO FROM:=TO ..., or a YAML file that maps from to to; raises ValueError for anything else."""
    if text.endswith((".yaml", ".yml")):
        pairs = yaml.safe_load(Path(text).read_text())
        if not isinstance(pairs, dict) or not all(isinstance(name, str) for item in pairs.items() for name in item):
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
    names = [name for name in arguments if given(context, name) != AS_CONFIGURED]
    values = {name: ParameterValue(LaunchConfiguration(name), value_type=arguments[name][0]) for name in names}
    overrides = {**values, **fixed}
    parameters = [LaunchConfiguration("params_file"), *([overrides] if overrides else [])]
    return [depth_node(parameters, given(context, "remap"))]
