"""Start depth_node on a stereo camera: ros2 launch depth_ros stereo.launch.py [argument:=value
...].

Topics are relative: `namespace` puts them in front of your camera, `remap` renames them, and the
files of config/cameras/ name those of common cameras (params_file).
"""

from pathlib import Path

from depth_ros.nodes.launching import describe


def generate_launch_description():
    """Declare the arguments and the node."""
    return describe(
        Path(__file__).resolve().parents[1] / "config" / "stereo.yaml",
        {
            "model": (str, "path of an ONNX model; by default the one that is shipped"),
            "backend": (
                str,
                "auto, onnxruntime, tensorrt, or sgbm (classical matching, no network)",
            ),
        },
    )
