"""The shape of the house: who may import whom.

Read from the source, so that a lazy import counts too.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# What each layer may import beside itself. Nothing points back.
ALLOWED = {
    "core": set(),
    "engine": {"core"},
    "prepare": {"core", "engine"},  # the estimator's helpers
    "egomotion": {"core", "engine", "prepare"},
    "motion": {"core", "engine", "prepare"},
    "estimator": {"core", "engine", "prepare", "motion"},
    "whole_step": {"core", "engine", "prepare", "estimator"},
    "transport": set(),
    "launching": {"transport"},  # imported by launch files only
    "nodes": {"core", "engine", "egomotion", "estimator", "prepare", "transport", "whole_step"},
    "replay": {"core", "engine", "egomotion", "estimator", "prepare", "transport", "nodes"},
    "bench": {
        "core",
        "engine",
        "egomotion",
        "estimator",
        "prepare",
        "whole_step",
        "transport",
        "nodes",
        "replay",
    },
    "cli_bench": {"core", "bench"},
    "cli_build": {"core", "engine", "prepare", "whole_step", "replay", "bench"},
    "view": {"core", "engine", "estimator", "prepare", "replay", "nodes", "transport"},
    "cli_view": {"core", "replay", "view"},
    "cli_evaluate": {"core", "engine", "replay"},
    "cli_many": {"core", "engine", "replay"},
    "cli_options": {"core"},
    "cli": {"cli_options", "cli_evaluate", "cli_many", "cli_view", "cli_bench", "cli_build"}
    | {"core", "engine", "estimator", "replay", "transport"},
    "__main__": {"cli"},
    "__init__": set(),
}
ROS = {
    "rclpy",
    "sensor_msgs",
    "std_msgs",
    "stereo_msgs",
    "diagnostic_msgs",
    "lifecycle_msgs",
    "nav_msgs",
    "rcl_interfaces",
    "geometry_msgs",
    "std_srvs",
    "tf2_msgs",
    "tf2_ros",
}
NODES_WITHOUT_ROS = {"decode"}  # replay reads images with it where there is no ROS
REPLAY_FILES_WITH_ROS = {"ros.py", "live.py", "introspect.py"}


def imports(path: Path) -> set[str]:
    """Give every module that a file imports, as absolute dotted names; relative imports are
    resolved.
    """
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    names = set()
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            # "from ..core import world" imports a module by its name, "from ..core.world import X"
            # does not
            names |= {f"{module}.{alias.name}" for alias in node.names} | {module}
    return names


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def layer(module: str) -> str | None:
    """The layer of a dotted name inside depth_ros; None outside."""
    parts = module.split(".")
    return parts[1] if parts[0] == "depth_ros" and len(parts) > 1 and parts[1] in ALLOWED else None


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", sources("depth_ros"), ids=name)
def test_layers_point_one_way(path):
    own = path.relative_to(ROOT / "depth_ros").parts[0].removesuffix(".py")
    assert own in ALLOWED, f"{path}: a new layer needs a place in the import rule"
    met = {layer(module) for module in imports(path)} - {None, own}
    assert met <= ALLOWED[own], f"{own} must not import {sorted(met - ALLOWED[own])}"


@pytest.mark.parametrize("path", sources("depth_ros"), ids=name)
def test_the_runtime_imports_neither_torch_nor_training(path):
    assert not {module.split(".")[0] for module in imports(path)} & {"torch", "train", "lightning"}


@pytest.mark.parametrize("path", sources("depth_ros/core"), ids=name)
def test_the_core_is_numpy_and_the_standard_library(path):
    roots = {module.split(".")[0] for module in imports(path)}
    assert not roots & (
        ROS | {"cv2", "onnxruntime", "logging", "rosbags", "click", "tqdm", "time", "os"}
    )


@pytest.mark.parametrize(
    "path",
    [*sources("depth_ros/engine"), *sources("depth_ros/replay"), *sources("train")],
    ids=name,
)
def test_only_nodes_know_ros(path):
    if path.name in REPLAY_FILES_WITH_ROS and path.parent.name == "replay":
        pytest.skip("the replay's other end of the wire")
    assert not {module.split(".")[0] for module in imports(path)} & ROS


@pytest.mark.parametrize("path", sources("depth_ros/replay"), ids=name)
def test_replay_takes_from_nodes_only_what_needs_no_ros(path):
    if path.name in REPLAY_FILES_WITH_ROS:
        pytest.skip("the replay's other end of the wire")
    parts = [module.split(".") for module in imports(path) if module.startswith("depth_ros.nodes.")]
    assert {part[2] for part in parts} <= NODES_WITHOUT_ROS


BAG_READING = (
    "depth_ros.nodes.decode",
    "depth_ros.replay.bag",
    "depth_ros.replay.mono_bag",
    "depth_ros.replay.sample",
)


@pytest.mark.parametrize("path", sources("train"), ids=name)
def test_training_takes_little_of_the_runtime(path):
    met = {module for module in imports(path) if module.startswith("depth_ros.")}
    allowed = (
        "depth_ros.core",
        "depth_ros.engine.spec",
        "depth_ros.engine.matching",
        "depth_ros.engine.onnx_engine",
    )
    allowed += ("depth_ros.engine.quantise",) if path.name == "quantised.py" else ()
    allowed += BAG_READING if path.name in ("bag.py", "bag_topics.py") else ()
    assert all(module.startswith(allowed) or module == "depth_ros.engine" for module in met), met


def test_files_stay_readable():
    long = {
        name(path): len(path.read_text().splitlines())
        for path in sources("depth_ros") + sources("train")
    }
    assert not {path: lines for path, lines in long.items() if lines > 300}
