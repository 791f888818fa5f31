"""What the launch files share: declare arguments, start depth_node with those that were given. Needs ROS's `launch`."""

from __future__ import annotations

import os
from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from .transport import transport_environment

_AS_CONFIGURED = ""  # not given on the command line
_COMMON = {
    "image_transport": (str, "raw (Image) or compressed (CompressedImage on <topic>/compressed)"),
    "rectify": (bool, "true: the images are raw and are rectified with D, R and P of camera_info"),
    "autostart": (bool, "false: wait for a lifecycle manager to configure and activate the node"),
    "use_sim_time": (bool, "true: take the time from /clock (bags played with --clock, simulators)"),
}


def describe(params_file: Path, arguments: dict[str, tuple[type | None, str]], **fixed) -> LaunchDescription:
    """Declare namespace, params_file, the given arguments and those that every mode has; then the node.

    An argument that is not given leaves the matter to params_file, and that to the node's own defaults.
    arguments: name, also of the node's parameter: (type, or None for any number; description). fixed: parameters that
    this launch file stands for, whatever params_file says.
    """
    arguments = {**arguments, **_COMMON}
    return LaunchDescription(
        [
            DeclareLaunchArgument("namespace", default_value="", description="namespace of the node and its topics"),
            DeclareLaunchArgument("params_file", default_value=str(params_file), description="YAML file of parameters"),
            *(
                DeclareLaunchArgument(name, default_value=_AS_CONFIGURED, description=text)
                for name, (_, text) in arguments.items()
            ),
            OpaqueFunction(function=_node, args=[arguments, fixed]),
        ]
    )


def _node(context, arguments, fixed):
    """Make the node; only now is it known which arguments were given."""
    given = [name for name in arguments if LaunchConfiguration(name).perform(context) != _AS_CONFIGURED]
    values = {name: ParameterValue(LaunchConfiguration(name), value_type=arguments[name][0]) for name in given}
    overrides = {**values, **fixed}
    return [
        Node(
            package="depth_ros",
            executable="depth_node",
            name="depth_node",
            namespace=LaunchConfiguration("namespace"),
            parameters=[LaunchConfiguration("params_file"), *([overrides] if overrides else [])],
            # Large images need these before the process starts; what the user has set stays.
            additional_env={key: value for key, value in transport_environment().items() if key not in os.environ},
            output="screen",
        )
    ]
