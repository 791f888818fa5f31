"""What a plain `pip install .` leaves on disk: everything that ros2 run and ros2 launch look
for.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
INPUTS = (
    "depth_ros",
    "launch",
    "config",
    "resource",
    "models",
    "package.xml",
    "setup.py",
    "setup.cfg",
    "README.md",
)


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """Install a copy of the tree, so that no build folder is left in the tree itself."""
    pytest.importorskip("setuptools")
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("prefix")
    for entry in INPUTS:
        path = ROOT / entry
        if path.is_dir():
            shutil.copytree(path, source / entry, ignore=shutil.ignore_patterns("__pycache__"))
        elif path.is_file():
            shutil.copy2(path, source / entry)
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-build-isolation",
        "--ignore-installed",
        "--prefix",
        str(target),
        str(source),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-2000:]
    return target


@pytest.fixture
def site(prefix):
    return next(
        path
        for path in prefix.rglob("depth_ros")
        if path.parent.name in ("site-packages", "dist-packages")
    )


def test_the_ament_index_knows_the_package(prefix):
    assert (prefix / "share/ament_index/resource_index/packages/depth_ros").is_file()


def test_share_holds_what_the_tree_holds(prefix):
    share = prefix / "share/depth_ros"
    installed = {str(path.relative_to(share)) for path in share.rglob("*.*")}
    expected = {
        "package.xml",
        "launch/stereo.launch.py",
        "config/stereo.yaml",
        "config/fastdds.xml",
        "launch/mono.launch.py",
        "config/mono.yaml",
    }
    expected |= {
        str(path.relative_to(ROOT))
        for folder in ("launch", "config/cameras", "config/nav2")
        for path in (ROOT / folder).rglob("*.[py][ya]*")
        if "__pycache__" not in path.parts
    }
    expected |= {
        f"config/{path.name}"
        for kind in ("rviz", "json")
        for path in (ROOT / "config").glob(f"*.{kind}")
    }
    expected |= {f"models/{path.name}" for path in (ROOT / "models").glob("*.onnx")}
    assert expected <= installed


def test_the_modules_and_their_data_are_there(site):
    sources = {path.relative_to(ROOT / "depth_ros") for path in (ROOT / "depth_ros").rglob("*.py")}
    sources |= {path.relative_to(ROOT / "depth_ros") for path in (ROOT / "depth_ros").rglob("*.j2")}
    assert not [path for path in sources if not (site / path).is_file()]
    assert not (site.parent / "train").exists()


def test_the_command_is_installed(prefix):
    text = (prefix / "bin/depth-ros").read_text()
    assert "from depth_ros.cli.main import main" in text


def test_the_node_starts_where_ros2_run_looks(prefix, tmp_path):
    """Run the installed file against a stand-in node: ROS itself is not what is tested."""
    node = prefix / "lib/depth_ros/depth_node"
    assert os.access(node, os.X_OK)
    package = tmp_path / "depth_ros/nodes"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").touch()
    (package / "depth_node.py").write_text(
        "import sys\ndef main(): print(sys.argv[1:], sys.prefix)"
    )
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PATH": path}
    done = subprocess.run(
        [node, "--ros-args", "a b"], capture_output=True, text=True, env=environment, timeout=30
    )
    assert done.stdout.strip() == f"['--ros-args', 'a b'] {sys.prefix}", done.stderr


def test_ctrl_c_while_the_node_loads_is_no_fault(prefix, tmp_path):
    package = tmp_path / "depth_ros/nodes"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").touch()
    (package / "depth_node.py").write_text(
        "import time\nprint('loading', flush=True)\ntime.sleep(30)"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [prefix / "lib/depth_ros/depth_node"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as node:
        assert node.stdout.readline() == "loading\n"
        node.send_signal(signal.SIGINT)
        assert (node.wait(10), node.stderr.read()) == (0, "")


def test_colcon_takes_it_for_an_ament_package():
    """catkin_pkg refuses a manifest without a plausible maintainer, and colcon then builds plain
    Python in silence.
    """
    manifest = ElementTree.parse(ROOT / "package.xml").getroot()
    assert manifest.findtext("export/build_type") == "ament_python"
    assert re.fullmatch(
        r"[-\w.%+]+@[-\w]+(\.[-\w]+)*\.[a-zA-Z]{2,}", manifest.find("maintainer").get("email")
    )
    depends = {entry.text for entry in manifest.iter("exec_depend")}
    assert {
        "rclpy",
        "cv_bridge",
        "message_filters",
        "sensor_msgs",
        "stereo_msgs",
        "nav_msgs",
    } <= depends
    assert {
        "diagnostic_msgs",
        "tf2_msgs",
        "python3-numpy",
        "python3-opencv",
        "launch",
        "launch_ros",
    } <= depends


def test_the_node_needs_only_what_the_manifest_names():
    """On a robot, pip brings ONNX Runtime at most: what replays, reports and renders must not be
    loaded.
    """
    pytest.importorskip("rclpy")
    program = """
import sys
from importlib.abc import MetaPathFinder
class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        heavy = "rosbags array_api_compat tqdm jinja2 matplotlib onnx evo torch"
        if name.split(".")[0] in heavy.split():
            raise ModuleNotFoundError(f"no {name}", name=name)
sys.meta_path.insert(0, Absent())
import depth_ros.nodes.depth_node, depth_ros.nodes.odometry.worker, depth_ros.engine.onnx
import depth_ros.engine.sgbm, depth_ros.engine.load
print("loaded")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "loaded", done.stderr[-800:]


def test_versions_agree():
    import depth_ros

    manifest = ElementTree.parse(ROOT / "package.xml").getroot()
    setup = re.search(r'version="([^"]+)"', (ROOT / "setup.py").read_text()).group(1)
    assert manifest.findtext("version") == setup == depth_ros.__version__


def test_training_requirements_hold_no_cuda():
    text = (ROOT / "requirements-train.txt").read_text()
    assert re.search(r"^torch==[\d.]+\+cpu$", text, re.M)
    pins = [
        line for path in ROOT.glob("requirements*.txt") for line in path.read_text().splitlines()
    ]
    assert not [
        line for line in pins if re.match(r"nvidia|cuda(?!-bindings)|triton", line)
    ]  # bindings: a few MB


def test_pre_commit_uses_the_pinned_versions():
    import yaml

    pins = dict(
        re.findall(r"^([\w-]+)==([\w.]+)", (ROOT / "requirements-dev.txt").read_text(), re.M)
    )
    repos = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    hooks = {hook["id"]: repo["rev"].removeprefix("v") for repo in repos for hook in repo["hooks"]}
    assert hooks["ruff-check"] == pins["ruff"] and hooks["mypy"] == pins["mypy"]
