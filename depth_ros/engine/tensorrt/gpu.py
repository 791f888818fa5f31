"""The GPU as its driver describes it, through libcuda itself: nothing has to be installed to
ask.
"""

from __future__ import annotations

import contextlib
import ctypes
from dataclasses import dataclass
from pathlib import Path

from depth_ros.core.errors import EngineError

# CU_DEVICE_ATTRIBUTE_*
_MULTIPROCESSORS = 16
_INTEGRATED = 18
_MAJOR = 75
_MINOR = 76
_NAME_BYTES = 256
_DRIVER_FILE = Path("/sys/module/nvidia/version")
_WORKSPACE_SHARE = 8  # of an integrated GPU's memory, which the whole robot shares
_MOST_WORKSPACE_SHARE = 2


@dataclass(frozen=True)
class Gpu:
    """The GPU as its driver describes it.

    Args:
        name: As the driver reports it.
        compute_capability: As "8.6".
        driver: The CUDA version that it speaks, and its own where the system has it, as
            "13.0 580.65.06".
        multiprocessors: Their number.
        is_integrated: Its memory is that of the machine, as on Jetson.
        memory_mib: All of its memory.
    """

    name: str
    compute_capability: str
    driver: str = ""
    multiprocessors: int = 0
    is_integrated: bool = False
    memory_mib: int = 0


def find_gpu() -> Gpu:
    """Ask the driver for the first GPU that this process may use; raises EngineError where there is
    none.

    Through libcuda itself: neither bindings nor nvidia-smi are needed, and CUDA_VISIBLE_DEVICES
    counts.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise EngineError(f"expected an NVIDIA driver, got: {error}") from error
    device = ctypes.c_int()
    name = ctypes.create_string_buffer(_NAME_BYTES)
    version = ctypes.c_int()
    memory = ctypes.c_size_t()
    attributes = {
        number: ctypes.c_int() for number in (_MULTIPROCESSORS, _INTEGRATED, _MAJOR, _MINOR)
    }
    for code in (
        driver.cuInit(0),
        driver.cuDriverGetVersion(ctypes.byref(version)),
        driver.cuDeviceGet(ctypes.byref(device), 0),
        driver.cuDeviceGetName(name, _NAME_BYTES, device),
        driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device),
        *(
            driver.cuDeviceGetAttribute(ctypes.byref(value), number, device)
            for number, value in attributes.items()
        ),
    ):
        if code != 0:
            raise EngineError(
                f"expected an NVIDIA GPU that can be used, got {cuda_words(driver, code)}"
            )
    values = {number: value.value for number, value in attributes.items()}
    return Gpu(
        name=name.value.decode(errors="replace"),
        compute_capability=f"{values[_MAJOR]}.{values[_MINOR]}",
        driver=_driver_words(version.value),
        multiprocessors=values[_MULTIPROCESSORS],
        is_integrated=bool(values[_INTEGRATED]),
        memory_mib=memory.value >> 20,
    )


def _driver_words(version: int) -> str:
    """The CUDA version that a driver speaks, 13000 for 13.0, and its own number where the
    kernel's module tells it.
    """
    words = f"{version // 1000}.{version % 1000 // 10}"
    with contextlib.suppress(OSError):
        words += f" {_DRIVER_FILE.read_text().strip()}"
    return words


def workspace_limit(gpu: Gpu, asked_mib: int) -> int:
    """Return the most MiB that the builder may use as scratch; 0 leaves it to the library.

    On a GPU that shares its memory with the machine the library's choice is all of it, and then not
    CUDA refuses but the kernel kills: there it is an eighth, and nobody gets more than half. Raises
    EngineError for more.
    """
    if not gpu.is_integrated:
        return asked_mib
    most = gpu.memory_mib // _MOST_WORKSPACE_SHARE
    if asked_mib > most:
        raise EngineError(
            f"workspace_mib: expected at most {most} on {gpu.name}, whose {gpu.memory_mib} "
            "MiB are shared "
            f"with the machine, got {asked_mib}"
        )
    return asked_mib or gpu.memory_mib // _WORKSPACE_SHARE


def cuda_words(driver, code: int) -> str:
    """Return what a result of the driver means; driver: libcuda."""
    words = ctypes.c_char_p()
    with contextlib.suppress(AttributeError):
        driver.cuGetErrorString(code, ctypes.byref(words))
    if not words.value:
        return f"CUDA error {code}"
    return f"CUDA error {code} ({words.value.decode(errors='replace')})"
