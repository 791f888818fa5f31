"""The shape of the house: who may import whom. Read from the source, so that a lazy import counts.

core <- {engine, recordings, synthetic} <- estimator <- {filters, odometry} <- evaluation <- doctor
<- nodes <- {viewer, benchmark} <- cli; train uses core, synthetic, engine and recordings.
files.py, atomic writes and nothing else, belongs to no room: all but core may import it.
"""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RULE = (
    ("core",),
    ("engine", "recordings", "synthetic"),
    ("estimator",),
    ("filters", "odometry"),
    ("evaluation",),
    ("doctor",),
    ("nodes",),
    ("viewer", "benchmark"),
    ("cli",),
)
LAYERS = {room: layer for layer, rooms in enumerate(RULE) for room in rooms}
# The engine too: training refines the classical match of engine.matching, as the runtime computes
# it, and checks every export with engine.onnx, as the runtime runs it.
TRAINING = {"core", "synthetic", "engine", "recordings"}
# The one module that belongs to no room: atomic writes, by the standard library. Core has no files.
FILES = "depth_ros.files"
WITH_ROS = ("nodes", "viewer")
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
# (file, module) pairs that break the rule today. Only ever shorter: a pair that is mended must go.
KNOWN_BREAKS = {
    ("depth_ros/engine/parity.py", "depth_ros.synthetic.renderer"),
    ("depth_ros/engine/parity.py", "depth_ros.synthetic.scenes"),
}
KNOWN_ROS = {
    "depth_ros/benchmark/camera.py",
    "depth_ros/benchmark/floor.py",
    "depth_ros/benchmark/naive.py",
    "depth_ros/benchmark/soak_player.py",
}
LONGEST = 430


def imports(path: Path) -> set[str]:
    """Every module that a file imports, as absolute dotted names; relative imports are resolved."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    names = set()
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            # "from ..core import lie" names a module, "from ..core.lie import hat" does not
            names |= {name for alias in node.names if is_module(name := f"{module}.{alias.name}")}
            names.add(module)
    return names


def is_module(dotted: str) -> bool:
    path = ROOT.joinpath(*dotted.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def room(module: str) -> str | None:
    """The room of a dotted name inside depth_ros; None outside, and for depth_ros itself."""
    parts = module.split(".")
    return parts[1] if parts[0] == "depth_ros" and len(parts) > 1 else None


def breaks(path: Path) -> set[str]:
    """What a file imports against the rule."""
    own = path.relative_to(ROOT / "depth_ros").parts[0]
    if own.endswith(".py"):
        return set()  # __init__ is the door to every room, __main__ the command
    met = {module for module in imports(path) if room(module) not in (None, own)}
    if own != "core":
        met.discard(FILES)
    return {m for m in met if m == FILES or LAYERS[room(m)] >= LAYERS[own]}


def train_breaks(path: Path) -> set[str]:
    met = {module for module in imports(path) if room(module) not in TRAINING | {None}}
    return {module for module in met if module != FILES}


@pytest.mark.parametrize("path", sources("depth_ros") + sources("train"), ids=name)
def test_rooms_point_one_way(path):
    found = train_breaks(path) if name(path).startswith("train/") else breaks(path)
    known = {module for file, module in KNOWN_BREAKS if file == name(path)}
    assert found == known, f"against the import rule: {sorted(found ^ known)}"


def test_the_module_of_no_room_imports_no_room():
    path = ROOT.joinpath(*FILES.split(".")).with_suffix(".py")
    assert {name.split(".")[0] for name in imports(path)} <= sys.stdlib_module_names


def test_every_room_has_a_place_in_the_rule():
    rooms = {path.name for path in (ROOT / "depth_ros").iterdir() if any(path.glob("*.py"))}
    assert rooms <= set(LAYERS)


@pytest.mark.parametrize("path", sources("depth_ros"), ids=name)
def test_the_runtime_imports_neither_torch_nor_training(path):
    assert not {module.split(".")[0] for module in imports(path)} & {"torch", "train", "lightning"}


@pytest.mark.parametrize("path", sources("depth_ros/core"), ids=name)
def test_the_core_is_numpy_and_the_standard_library(path):
    roots = {module.split(".")[0] for module in imports(path)}
    others = {"cv2", "onnxruntime", "logging", "rosbags", "click", "tqdm", "time", "os"}
    assert not roots & (ROS | others | {"array_api_compat", "scipy"})


@pytest.mark.parametrize("path", sources("depth_ros") + sources("train"), ids=name)
def test_ros_is_known_in_nodes_and_viewer_only(path):
    if path.relative_to(ROOT).parts[1] in WITH_ROS:
        pytest.skip("a room with ROS")
    knows = bool({module.split(".")[0] for module in imports(path)} & ROS)
    assert knows == (name(path) in KNOWN_ROS)


def test_files_stay_readable():
    files = sources("depth_ros") + sources("train")
    lines = {name(path): len(path.read_text().splitlines()) for path in files}
    assert not {path: count for path, count in lines.items() if count > LONGEST}
