"""tf2_msgs for tests: what is installed, else made of the wheels' own tools."""

import ctypes
import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tf2_environment(tmp_path_factory):
    """The environment of a process in which tf2_msgs can be imported; this process is one, too."""
    if importlib.util.find_spec("tf2_msgs"):
        return dict(os.environ)
    for program in ("gcc", "g++"):
        if shutil.which(program) is None:
            pytest.skip(f"no tf2_msgs, and no {program} to make it with")
    for module in ("rosidl_adapter", "catkin_pkg"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"no tf2_msgs, and no {module} to make it with (pip install catkin-pkg)")
    from . import ros_package

    made = ros_package.build(tmp_path_factory.mktemp("tf2_msgs"))
    for name, path in made.items():
        os.environ[name] = os.pathsep.join(filter(None, [path, os.environ.get(name)]))
    sys.path.insert(0, made["PYTHONPATH"])
    for path in sorted(Path(made["LD_LIBRARY_PATH"]).glob("*.so")):
        ctypes.CDLL(
            str(path)
        )  # the loader has read LD_LIBRARY_PATH at the start: it must find them open
    return dict(os.environ)
