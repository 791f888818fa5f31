"""Look at depth: a recording or a camera, depth_node and RViz.

ros2 launch depth_ros demo.launch.py bag:=PATH             a recording, at its own time
ros2 launch depth_ros demo.launch.py camera:=realsense     starts the driver too (realsense, zed, oak_d, usb_cam)
ros2 launch depth_ros demo.launch.py namespace:=front      a camera that is already running
"""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import ExecuteProcess, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from depth_ros.launching import NAMESPACE, REMAP, declare, depth_node, environment, given

CONFIG = Path(__file__).resolve().parents[1] / "config"
# Mode, and the frame that the driver ties to the camera in /tf_static: the body whose motion RViz shows; "": none
CAMERAS = {
    "realsense": ("stereo", "camera_link"),
    "zed": ("stereo", "zed_camera_link"),
    "oak_d": ("stereo", "oak-d-base-frame"),
    "usb_cam": ("mono", ""),
}
# Package, launch file, its argument for a file of parameters, and others: as read in the versions that config/cameras/
# names. namespace: ours would be handed down, and the topics would not be those of the file.
DRIVERS = {
    "realsense": ("realsense2_camera", "rs_launch.py", "config_file", {}),
    "zed": (
        "zed_wrapper", "zed_camera.launch.py", "ros_params_override_path", {"camera_model": "zed2i", "namespace": ""}
    ),  # fmt: skip
    "oak_d": ("depthai_ros_driver", "camera.launch.py", "params_file", {"namespace": ""}),
}


def generate_launch_description():
    """Declare the arguments; what they start is known when they are."""
    return LaunchDescription(
        [
            declare("bag", "recording to play, with its time; empty: a live camera"),
            declare("camera", "camera whose driver is started; empty: none", choices=["", *CAMERAS]),
            declare("mode", "stereo or mono; empty: as the camera, else stereo", choices=["", "stereo", "mono"]),
            declare("namespace", NAMESPACE),
            declare("params_file", "YAML file of parameters; empty: that of config/ for the camera or the mode"),
            declare("remap", REMAP),
            declare("model", "path of an ONNX model; empty: the one that is shipped"),
            declare("rviz", "false: without RViz", "true", ["true", "false"]),
            OpaqueFunction(function=_start),
        ]
    )


def _start(context):
    """Give the actions: source, node, RViz."""
    bag, camera, model = (given(context, name) for name in ("bag", "camera", "model"))
    camera_mode, body = CAMERAS.get(camera, ("stereo", ""))
    mode = given(context, "mode") or camera_mode
    file = given(context, "params_file") or str(CONFIG / (f"cameras/{camera}.yaml" if camera else f"{mode}.yaml"))
    values = {"mode": mode, "use_sim_time": bool(bag), **({"model": model} if model else {})}
    values |= {"base_frame": body, "publish_tf": True} if body else {}
    actions = [depth_node([file, values], given(context, "remap"))]
    if given(context, "rviz") == "true":
        fixed_frame = recorded_frame(bag, mode) if bag else "camera_optical" if camera == "usb_cam" else ""
        actions.append(_rviz(bool(bag), fixed_frame))
    if bag:  # a second for the subscriptions, or the first images are lost
        play = ["ros2", "bag", "play", bag, "--clock", "--delay", "2"]
        actions.append(ExecuteProcess(cmd=play, additional_env=environment(), output="screen"))
    elif camera:
        actions.append(_driver(camera))
    return actions


def recorded_frame(bag, mode):
    """Read the images' frame_id: with it as fixed frame RViz needs no TF; empty where the recording does not say."""
    from depth_ros.core.errors import DepthRosError
    from depth_ros.replay.sample import open_source

    try:
        return next(iter(open_source(bag, mode))).frame.frame_id
    except (DepthRosError, OSError, StopIteration):  # topics of other names, perhaps: the node can still be told them
        return ""


def _rviz(use_sim_time, fixed_frame):
    """RViz in the node's namespace: the topics in demo.rviz are relative."""
    return Node(
        package="rviz2",
        executable="rviz2",
        name="rviz2",
        namespace=LaunchConfiguration("namespace"),
        # the camera display makes an absolute name of the camera_info beside a relative image
        remappings=[("/depth/camera_info", "depth/camera_info")],
        arguments=["-d", str(CONFIG / "demo.rviz"), *(["-f", fixed_frame] if fixed_frame else [])],
        parameters=[{"use_sim_time": use_sim_time}],
        output="log",
    )


def _driver(camera):
    """Start a camera, told to publish what depth_node wants."""
    parameters = str(CONFIG / "cameras" / "drivers" / f"{camera}.yaml")
    if camera not in DRIVERS:
        return Node(
            package="usb_cam",
            executable="usb_cam_node_exe",
            name="usb_cam",
            parameters=[parameters],
            additional_env=environment(),
            output="screen",
        )
    package, file, argument, others = DRIVERS[camera]
    source = PathJoinSubstitution([FindPackageShare(package), "launch", file])
    return IncludeLaunchDescription(
        PythonLaunchDescriptionSource(source), launch_arguments={argument: parameters, **others}.items()
    )
