"""Look at depth: a recording or a camera, depth_node and RViz.

A recording, at its own time::

    ros2 launch depth_ros demo.launch.py bag:=PATH

A camera whose driver is started too (realsense, zed, oak_d, usb_cam)::

    ros2 launch depth_ros demo.launch.py camera:=realsense

A camera that is already running::

    ros2 launch depth_ros demo.launch.py namespace:=front
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
    """Return the actions: source, node, RViz."""
    bag = given(context, "bag")
    camera = given(context, "camera")
    with_driver = bool(camera and not bag)
    _expect_packages(context, camera if with_driver else "")

    # 1. What the source says: its mode, the frame of its images, the body that carries it.
    mode, body = CAMERAS.get(camera, ("stereo", ""))
    asked = given(context, "mode")
    if camera:
        asked = asked or mode
    topics = {}
    frame = ""
    if bag:
        topics, frame = recorded(bag, asked)
    elif camera == "usb_cam":
        frame = "camera_optical"
    mode = asked or topics.get("mode", "stereo")

    # 2. Parameters: a file of the user's, of the camera or of the mode; then what was given.
    own_file = given(context, "params_file")
    file = own_file or _file_of(camera, mode)
    values = {"mode": mode, "use_sim_time": bool(bag)}
    if not own_file and not camera:  # who names a file or a camera has named topics
        values = topics | values
    model = given(context, "model")
    if model:
        values["model"] = model

    # 3. Where nobody says how the camera stands, RViz would show the scene lying on its back.
    lies = bool(frame) and not own_file
    if lies:
        body = body or BODY
    if body:
        values |= {"base_frame": body, "publish_tf": True}

    # 4. The driver goes first: one that fails leaves no node behind.
    actions = []
    if with_driver:
        actions.append(_driver(camera))
    actions.append(depth_node([file_of_parameters(file), values], given(context, "remap")))
    if flag(context, "rviz"):
        actions.append(_rviz(bool(bag), body if lies else frame))
    if lies:
        actions.append(_upright(body, frame))
    if bag:
        actions.append(_player(bag))
    return actions


def _expect_packages(context, camera):
    """Raise ValueError where the driver of a camera ("": none) or RViz is not installed."""
    if camera:
        package = DRIVERS[camera][0]
        _expect_package(context, package, "the camera's driver comes from its vendor")
    if flag(context, "rviz"):
        instead = "or rviz:=false, and a page in the browser: depth-ros view --topics"
        _expect_package(context, "rviz2", instead)


def _file_of(camera, mode):
    """The file of parameters in config/ for a camera, or else for the mode."""
    if camera:
        return str(CONFIG / "cameras" / f"{camera}.yaml")
    return str(CONFIG / f"{mode}.yaml")


def _player(bag):
    """Play a recording with its time, after a second for the subscriptions: else the first images
    are lost.
    """
    play = ["ros2", "bag", "play", bag, "--clock", "--delay", "2"]
    return ExecuteProcess(cmd=play, additional_env=environment(), output="screen")


def _expect_package(context, package, cure):
    """Raise ValueError, ahead of anything that would be left running, where a package is not
    installed.
    """
    try:
        FindPackageShare(package).perform(context)
    except LookupError:
        raise ValueError(f"expected the package {package}, got none: {cure}") from None


def recorded(bag, mode):
    """Read the node's parameters for the topics of a recording, and the frame_id of its images.

    Returns:
        The parameters, and the frame_id, "" where the recording has TF itself. Both are empty where
        the recording does not tell, or without rosbags: the node can still be given its topics.
    """
    from depth_ros.core.errors import DepthRosError

    try:
        from depth_ros.recordings.bag import open_reader
        from depth_ros.recordings.sample import open_source, topic_parameters

        source = open_source(bag, mode or "auto")
        with open_reader(bag) as reader:
            recorded_topics = {connection.topic for connection in reader.connections}
        frame_id = ""
        if recorded_topics.isdisjoint(("/tf", "/tf_static")):
            frame_id = next(iter(source)).frame.frame_id
        return topic_parameters(source.topics), frame_id
    except (DepthRosError, ImportError, OSError, AttributeError, StopIteration):
        return {}, ""


def _upright(body, frame):
    """Publish that a camera looks straight ahead: z of its optical frame is x of its body
    (REP 103).
    """
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
    arguments = ["-d", str(CONFIG / "demo.rviz")]
    if fixed_frame:
        arguments += ["-f", fixed_frame]
    return Node(
        package="rviz2",
        executable="rviz2",
        name="rviz2",
        namespace=LaunchConfiguration("namespace"),
        # the camera display makes an absolute name of the camera_info beside a relative image
        remappings=[("/depth/camera_info", "depth/camera_info")],
        arguments=arguments,
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
    # Not forwarded: rs_launch.py would warn of our arguments, one by one.
    return GroupAction([*variables, driver], forwarding=False)
