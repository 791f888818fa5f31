"""Turn stereo or monocular cameras into metric depth: cameras in, metres out.

The public API, without ROS:

>>> from depth_ros import Camera, Frame, Odometry, StereoEstimator, StereoRig, load_engine
>>> estimator = StereoEstimator(load_engine(backend="sgbm"))
>>> rig = StereoRig(Camera(640, 480, fx=465, fy=463, cx=323.5, cy=236), baseline_m=0.12)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = [
    "Camera",
    "Estimate",
    "Frame",
    "MonoEstimator",
    "Odometry",
    "StereoEstimator",
    "StereoRig",
    "load_engine",
]

_MODULES = {
    "Camera": "core.camera",
    "Estimate": "core.types",
    "Frame": "core.types",
    "MonoEstimator": "estimator.mono",
    "Odometry": "odometry.from_estimate",
    "StereoEstimator": "estimator.stereo",
    "StereoRig": "core.camera",
    "load_engine": "engine.load",
}

if TYPE_CHECKING:
    from .core.camera import Camera, StereoRig
    from .core.types import Estimate, Frame
    from .engine.load import load_engine
    from .estimator.mono import MonoEstimator
    from .estimator.stereo import StereoEstimator
    from .odometry.from_estimate import Odometry


def __getattr__(name: str):
    """Import a name of the public API when it is first used, so that the command starts fast."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public API, imported or not."""
    return sorted({*globals(), *__all__})
