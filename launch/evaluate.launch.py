"""Judge a recording: ros2 launch depth_ros evaluate.launch.py bag:=PATH [argument:=value ...]; writes report.html."""

import sys

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction

from depth_ros.launching import declare, environment, given


def generate_launch_description():
    """Declare the arguments; they are options of `depth-ros evaluate`."""
    return LaunchDescription(
        [
            DeclareLaunchArgument("bag", description="rosbag2 directory, or a folder of scenes (required)"),
            declare("out", "folder for report.html and report.json; empty: evaluation/<bag>"),
            declare("mode", "auto: what the model is for, else what the recording has", "auto",
                    ["auto", "stereo", "mono"]),
            declare("model", "path of an ONNX model; empty: the one that is shipped"),
            declare("backend", "auto, onnxruntime, tensorrt, or sgbm (classical matching, no network)", "auto"),
            declare("egomotion", "how to follow the camera; auto: where the recording has true poses", "auto",
                    ["auto", "off", "network", "geometric", "hybrid"]),
            declare("sync_tolerance_s", "seconds by which the stamps of a pair may differ", "0.0"),
            declare("replay", "true: at recorded rate over ROS 2 into the real node", "false", ["true", "false"]),
            OpaqueFunction(function=_start),
        ]
    )  # fmt: skip


def _start(context):
    """Give the command; python -m, because colcon and pip put `depth-ros` in different places."""
    options = ["mode", "backend", "egomotion", "sync_tolerance_s"]
    options += [name for name in ("out", "model") if given(context, name)]
    words = [word for name in options for word in (f"--{name.replace('_', '-')}", given(context, name))]
    words += ["--replay"] if given(context, "replay") == "true" else []
    cmd = [sys.executable, "-m", "depth_ros", "evaluate", given(context, "bag"), *words]
    return [ExecuteProcess(cmd=cmd, additional_env=environment(), output="screen")]
