"""Look at depth: a recording or a camera, depth_node and RViz.

ros2 launch depth_ros demo.launch.py bag:=PATH             a recording, at its own time ros2 launch
depth_ros demo.launch.py camera:=realsense     starts the driver too (realsense, zed, oak_d,
usb_cam) ros2 launch depth_ros demo.launch.py namespace:=front      a camera that is already running
"""

from pathlib import Path

from launch.actions import (
    ExecuteProcess,
    GroupAction,
    IncludeLaunchDescription,
    SetEnvironmentVariable,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from depth_ros.nodes.launching import (
    NAMESPACE,
    REMAP,
    declare,
    depth_node,
    description,
    environment,
    file_of_parameters,
    flag,
    given,
)

CONFIG = Path(__file__).resolve().parents[1] / "config"
# Mode, and the frame that the driver ties to the camera in /tf_static: the body whose motion RViz
# shows; "": none
CAMERAS = {
    "realsense": ("stereo", "camera_link"),
    "zed": ("stereo", "zed_camera_link"),
    "oak_d": ("stereo", "oak-d-base-frame"),
    "usb_cam": ("mono", ""),
}
BODY = "camera_link"  # of a camera that no TF knows
# Package, launch file, its argument for a file of parameters, and others: as read in the versions
# that config/cameras/ names.
DRIVERS = {
    "realsense": ("realsense2_camera", "rs_launch.py", "config_file", {}),
    "zed": (
        "zed_wrapper",
        "zed_camera.launch.py",
        "ros_params_override_path",
        {"camera_model": "zed2i"},
    ),
    "oak_d": ("depthai_ros_driver", "camera.launch.py", "params_file", {}),
    "usb_cam": ("usb_cam", "", "", {}),  # a node, its launch file wants one for several cameras
}


def generate_launch_description():
    """Declare the arguments; what they start is known when they are."""
    return description(
        [
            declare(
                "bag",
                "recording to play, with its time; its topics are found; empty: a live camera",
            ),
            declare(
                "camera", "camera whose driver is started; empty: none", choices=["", *CAMERAS]
            ),
            declare(
                "mode",
                "empty: as the camera or the recording, else stereo",
                choices=["", "stereo", "mono"],
            ),
            declare("namespace", NAMESPACE),
            declare(
                "params_file",
                "YAML file of parameters; empty: that of config/ for the camera or the mode",
            ),
            declare("remap", REMAP),
            declare("model", "path of an ONNX model; empty: the one that is shipped"),
            declare("rviz", "false: without RViz", "true"),
        ],
        _start,
    )


def _start(context):
    """Give the actions: source, node, RViz."""
    bag, camera, model = (given(context, name) for name in ("bag", "camera", "model"))
    if camera and not bag:
        _expect_package(context, DRIVERS[camera][0], "the camera's driver comes from its vendor")
    if flag(context, "rviz"):
        _expect_package(
            context, "rviz2", "or rviz:=false, and a page in the browser: depth-ros view --topics"
        )
    camera_mode, body = CAMERAS.get(camera, ("stereo", ""))
    asked = given(context, "mode") or (camera_mode if camera else "")
    topics, frame = (
        recorded(bag, asked) if bag else ({}, "camera_optical" if camera == "usb_cam" else "")
    )
    mode = asked or topics.get("mode", "stereo")
    own_file = given(context, "params_file")
    file = own_file or str(CONFIG / (f"cameras/{camera}.yaml" if camera else f"{mode}.yaml"))
    values = {} if own_file or camera else topics  # who names a file or a camera has named topics
    values = {
        **values,
        "mode": mode,
        "use_sim_time": bool(bag),
        **({"model": model} if model else {}),
    }
    alone = (
        frame and not own_file
    )  # nobody says where this frame is: RViz would show the scene lying on its back
    body = body or (BODY if alone else "")
    values |= {"base_frame": body, "publish_tf": True} if body else {}
    node = depth_node([file_of_parameters(file), values], given(context, "remap"))
    actions = (
        [_driver(camera), node] if camera and not bag else [node]
    )  # a driver that fails leaves no node behind
    if flag(context, "rviz"):
        actions.append(_rviz(bool(bag), body if alone else frame))
    if alone:
        actions.append(_upright(body, frame))
    if bag:  # a second for the subscriptions, or the first images are lost
        play = ["ros2", "bag", "play", bag, "--clock", "--delay", "2"]
        actions.append(ExecuteProcess(cmd=play, additional_env=environment(), output="screen"))
    return actions


def _expect_package(context, package, cure):
    """Raise ValueError, ahead of anything that would be left running, where a package is not
    installed.
    """
    try:
        FindPackageShare(package).perform(context)
    except LookupError:
        raise ValueError(f"expected the package {package}, got none: {cure}") from None


def recorded(bag, mode):
    """Read the node's parameters for the topics of a recording, and its images' frame_id where it
    has no TF itself.

    Nothing where the recording does not say, or without rosbags: topics of other names, perhaps,
    which the node can still be told.
    """
    from depth_ros.core.errors import DepthRosError

    try:
        from depth_ros.recordings.bag import open_reader
        from depth_ros.recordings.sample import open_source, topic_parameters

        source = open_source(bag, mode or "auto")
        with open_reader(bag) as reader:
            has_tf = any(
                connection.topic in ("/tf", "/tf_static") for connection in reader.connections
            )
        return topic_parameters(source.topics), "" if has_tf else next(iter(source)).frame.frame_id
    except (DepthRosError, ImportError, OSError, AttributeError, StopIteration):
        return {}, ""


def _upright(body, frame):
    """Say that a camera looks straight ahead: z of its optical frame is x of its body (REP 103)."""
    turn = ["--qx", "-0.5", "--qy", "0.5", "--qz", "-0.5", "--qw", "0.5"]
    return Node(
        package="tf2_ros",
        executable="static_transform_publisher",
        name="camera_looks_ahead",
        arguments=[*turn, "--frame-id", body, "--child-frame-id", frame],
        output="log",
    )


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
    package, file, argument, others = DRIVERS[camera]
    if not file:
        return Node(
            package=package,
            executable="usb_cam_node_exe",
            name="usb_cam",
            parameters=[parameters],
            additional_env=environment(),
            output="screen",
        )
    source = PathJoinSubstitution([FindPackageShare(package), "launch", file])
    driver = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(source),
        launch_arguments={argument: parameters, **others}.items(),
    )
    variables = [SetEnvironmentVariable(name, value) for name, value in environment().items()]
    return GroupAction(
        [*variables, driver], forwarding=False
    )  # of our arguments rs_launch.py would warn, one by one
