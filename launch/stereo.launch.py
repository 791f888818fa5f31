"""Start depth_node on a stereo camera: ros2 launch depth_ros stereo.launch.py [argument:=value ...].

An argument that is not given leaves the matter to params_file, and that to the node's own defaults.
Topics are relative: put the camera's namespace in `namespace`, or remap in a launch file that includes this one.
"""

import os
from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from depth_ros.transport import transport_environment

DEFAULTS = Path(__file__).resolve().parents[1] / "config" / "stereo.yaml"
AS_CONFIGURED = ""  # not given on the command line
PARAMETERS = {  # argument, also the name of the node's parameter: type, description
    "model": (str, "path of an ONNX model; by default the one that is shipped"),
    "backend": (str, "auto, onnxruntime, or sgbm (classical matching, no network)"),
    "image_transport": (str, "raw (Image) or compressed (CompressedImage on <topic>/compressed)"),
    "rectify": (bool, "true: the images are raw and are rectified with D, R and P of camera_info"),
    "autostart": (bool, "false: wait for a lifecycle manager to configure and activate the node"),
    "use_sim_time": (bool, "true: take the time from /clock (bags played with --clock, simulators)"),
}


def generate_launch_description():
    """Declare the arguments and the node."""
    return LaunchDescription(
        [
            DeclareLaunchArgument("namespace", default_value="", description="namespace of the node and its topics"),
            DeclareLaunchArgument("params_file", default_value=str(DEFAULTS), description="YAML file of parameters"),
            *(
                DeclareLaunchArgument(name, default_value=AS_CONFIGURED, description=text)
                for name, (_, text) in PARAMETERS.items()
            ),
            OpaqueFunction(function=_node),
        ]
    )


def _node(context):
    """Make the node; only now is it known which arguments were given."""
    given = [name for name in PARAMETERS if LaunchConfiguration(name).perform(context) != AS_CONFIGURED]
    overrides = {name: ParameterValue(LaunchConfiguration(name), value_type=PARAMETERS[name][0]) for name in given}
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
