"""Settings of the transport and the allocator that large images need before a ROS process starts.

No ROS in here.
"""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from depth_ros.doctor import causes

_PROFILE = "fastdds.xml"
# Of Fast DDS 3; of 2.
_PROFILE_NAMES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
# The largest that glibc accepts: a larger one would be ignored in silence.
_MMAP_THRESHOLD = 32 * 1024 * 1024
# Freed buffers up to this are kept and not faulted in again for every image.
_TRIM_THRESHOLD = 256 * 1024 * 1024


def fastdds_profile() -> Path | None:
    """Find the Fast DDS profile: in the source tree, else in an installed
    share/depth_ros/config; None if nowhere.
    """
    here = Path(__file__).resolve()
    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    candidates = [
        here.parents[2] / "config",
        *(p / "share/depth_ros/config" for p in [*prefixes, *here.parents]),
    ]
    return next((c / _PROFILE for c in candidates if (c / _PROFILE).is_file()), None)


def transport_environment() -> dict[str, str]:
    """Return the environment variables with which to start a process that sends or receives large
    images.

    FASTDDS_DEFAULT_PROFILES_FILE (FASTRTPS_DEFAULT_PROFILES_FILE for Fast DDS 2, up to Jazzy): a
    shared-memory segment of 64 MB, without which a 640x480 rgb8 image is mostly lost before Python
    sees it; only the sender's segment counts. MALLOC_MMAP_THRESHOLD_, MALLOC_TRIM_THRESHOLD_: glibc
    keeps freed image buffers instead of mapping new ones. OPENBLAS_NUM_THREADS: ego-motion's
    matrices are small, and OpenBLAS' threads wait for each other by spinning: beside a busy core
    they cost 55 CPU ms an odometry frame more (experiments/node/odometry_beside_depth.py). A
    profile, or a number of threads, that the user has already chosen is left alone. All of them
    work only if set before the process starts.
    """
    environment = {
        "MALLOC_MMAP_THRESHOLD_": str(_MMAP_THRESHOLD),
        "MALLOC_TRIM_THRESHOLD_": str(_TRIM_THRESHOLD),
    }
    if "OPENBLAS_NUM_THREADS" not in os.environ:
        environment["OPENBLAS_NUM_THREADS"] = "1"
    profile = fastdds_profile()
    if profile is not None and not any(os.environ.get(name) for name in _PROFILE_NAMES):
        environment[profile_variable()] = str(profile)
    return environment


def too_large() -> str:
    """Explain images that do not arrive, with the cure for the Fast DDS of this machine."""
    return causes.too_large(profile_variable())


def profile_variable() -> str:
    """Return the variable by which the Fast DDS of this machine finds its profile."""
    return _PROFILE_NAMES[1] if _is_fastdds_2() else _PROFILE_NAMES[0]


def _is_fastdds_2() -> bool:
    """Whether Fast DDS is older than 3 (ROS 2 up to Jazzy): by the ROS distribution, else
    by the wheel.
    """
    if distribution := os.environ.get("ROS_DISTRO"):
        return distribution in ("humble", "iron", "jazzy")
    try:
        return version("ros-fastdds").startswith("2.")
    except PackageNotFoundError:
        return False
