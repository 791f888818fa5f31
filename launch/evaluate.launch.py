"""Judge a recording: ros2 launch depth_ros evaluate.launch.py bag:=PATH [argument:=value ...];
writes report.html.
"""

import sys

from launch.actions import DeclareLaunchArgument, ExecuteProcess

from depth_ros.nodes.launching import declare, description, environment, flag, given


def generate_launch_description():
    """Declare the arguments; they are options of `depth-ros evaluate`."""
    return description(
        [
            DeclareLaunchArgument(
                "bag", description="rosbag2 directory, or a folder of scenes (required)"
            ),
            declare("out", "folder for report.html and report.json; empty: evaluation/<bag>"),
            declare(
                "mode",
                "auto: what the model is for, else what the recording has",
                "auto",
                ["auto", "stereo", "mono"],
            ),
            declare("model", "path of an ONNX model; empty: the one that is shipped"),
            declare(
                "backend",
                "sgbm: classical matching, no network",
                "auto",
                ["auto", "onnxruntime", "tensorrt", "sgbm"],
            ),
            declare(
                "egomotion",
                "how to follow the camera; auto: where the recording has true poses",
                "auto",
                ["auto", "off", "network", "geometric", "hybrid"],
            ),
            declare("sync_tolerance_s", "seconds by which the stamps of a pair may differ", "0.0"),
            declare("replay", "true: at recorded rate over ROS 2 into the real node", "false"),
        ],
        _start,
    )


def _start(context):
    """Return the command; python -m, because colcon and pip put `depth-ros` in different places."""
    options = ["mode", "backend", "egomotion", "sync_tolerance_s"]
    options += [name for name in ("out", "model") if given(context, name)]
    cmd = [sys.executable, "-m", "depth_ros", "evaluate", given(context, "bag")]
    for name in options:
        cmd += [f"--{name.replace('_', '-')}", given(context, name)]
    if flag(context, "replay"):
        cmd.append("--replay")
    return [ExecuteProcess(cmd=cmd, additional_env=environment(), output="screen")]
