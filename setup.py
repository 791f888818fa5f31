"""Install depth_ros with colcon (ament_python) or pip: both leave what `ros2 run` and `ros2
launch` look for.
"""

from glob import glob

from setuptools import find_packages, setup

NAME = "depth_ros"
SHARE = f"share/{NAME}"


def files(*patterns: str) -> list[str]:
    """Give the files that match, sorted; a pattern may match nothing (models/ is empty before
    the first release).
    """
    return sorted(path for pattern in patterns for path in glob(pattern))


setup(
    name=NAME,
    version="0.1.0",
    description="Metric depth and motion from a robot's cameras, for ROS 2: cameras in, metres out",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    package_data={NAME: ["**/*.html", "**/*.j2", "**/*.css", "**/*.c"]},
    install_requires=[  # rclpy and the messages come with ROS, or from requirements-ros.txt
        "numpy>=1.26",
        "opencv-python-headless",
        "onnxruntime",
        "rosbags>=0.11",
        "ruamel.yaml",
        'backports.zstd; python_version < "3.14"',  # which rosbags brings, and our reader uses
        "click>=8",
        "tqdm",
        "jinja2",
        "matplotlib",
        "array-api-compat",
        "filelock",
        "platformdirs",
    ],
    extras_require={
        "tensorrt": [
            "onnx",
            "cuda-bindings",
        ],  # and TensorRT itself, which depends on the machine: docs/deployment.md
        "view": ["rerun-sdk"],
        "synthetic": ["moderngl"],  # the rasterised world; draws with EGL, on a GPU or in software
        "cluster": ["dask[distributed]"],  # `depth-ros evaluate --scheduler`
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (SHARE, ["package.xml"]),
        (f"{SHARE}/launch", files("launch/*.launch.py")),
        (
            f"{SHARE}/config",
            files("config/*.yaml", "config/*.xml", "config/*.rviz", "config/*.json"),
        ),
        *(
            (f"{SHARE}/{folder}", files(f"{folder}/*.yaml"))
            for folder in ("config/cameras", "config/cameras/drivers", "config/nav2")
        ),
        (f"{SHARE}/models", files("models/*.onnx", "models/*.md")),
        (
            f"lib/{NAME}",
            ["resource/depth_node"],
        ),  # a file, not an entry point: pip would put that in bin/ only
    ],
    entry_points={"console_scripts": ["depth-ros = depth_ros.cli.main:main"]},
    zip_safe=True,
)
