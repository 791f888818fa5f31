"""The GPU's driver behind one small seam: `cuda-bindings` (NVIDIA's wheels), or `pycuda` where a
user names it.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import platform
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from depth_ros.core.errors import EngineError
from depth_ros.engine.options import CUDA_BINDINGS

# CU_STREAM_NON_BLOCKING: builders in other threads use the default stream, which stops all others
_NON_BLOCKING = 1
_CURES = {
    "cuda-bindings": 'pip install cuda-bindings, "cuda-bindings<13" where the driver is of CUDA 12',
    "pycuda": "pip install pycuda, which compiles with nvcc",
}


class Session:
    """The primary context of the first GPU, one stream, and all memory that was asked for, until it
    is closed.

    The context is current only inside `current()`: pycuda ends the process when a thread ends that
    has one. Every call raises EngineError, with the driver's words, where the GPU refuses.
    """

    stream: int  # handle

    def __init__(self):
        self.is_open = False

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Make the context current in this thread for a while."""
        if not self.is_open:
            raise EngineError("expected an engine that is open, got one that was closed")
        self._push()
        try:
            yield
        finally:
            self._pop()

    def close(self) -> None:
        """Give everything back, in any thread; a second time does nothing.

        A GPU that has failed refuses in silence.
        """
        if not self.is_open:
            return
        with contextlib.suppress(EngineError), self.current():
            self._free()
        self.is_open = False
        self._release()

    def synchronize(self) -> None:
        """Wait until the stream is done."""
        raise NotImplementedError

    def synchronize_context(self) -> None:
        """Wait for all streams of the context."""
        raise NotImplementedError

    def allocate(self, size: int) -> int:
        """Return the address of so many bytes on the GPU."""
        raise NotImplementedError

    def pinned(self, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        """Return zeros in memory of the host that the GPU reads by itself; gone once the session
        is closed.
        """
        raise NotImplementedError

    def copy_in(self, address: int, array: np.ndarray) -> None:
        """Put a copy to the GPU on the stream."""
        raise NotImplementedError

    def copy_out(self, array: np.ndarray, address: int) -> None:
        """Put a copy from the GPU on the stream."""
        raise NotImplementedError

    def _push(self) -> None:
        raise NotImplementedError

    def _pop(self) -> None:
        raise NotImplementedError

    def _free(self) -> None:
        """Free stream and memory, the context being current."""
        raise NotImplementedError

    def _release(self) -> None:
        """Let go of the context."""
        raise NotImplementedError


class BindingsSession(Session):
    """Through `cuda.bindings.driver`: results come as (code, values...), and nothing frees
    itself.
    """

    def __init__(self, cuda):
        super().__init__()
        self._cuda = cuda
        self._addresses: list[int] = []
        self._pinned: list[int] = []
        self.stream = 0
        (self._device,) = self._call("cuDeviceGet", 0)
        (self._context,) = self._call("cuDevicePrimaryCtxRetain", self._device)
        self.is_open = True
        try:
            with self.current():
                (self._stream,) = self._call("cuStreamCreate", _NON_BLOCKING)
        except BaseException:
            self._release()
            raise
        self.stream = int(self._stream)

    def synchronize(self) -> None:
        self._call("cuStreamSynchronize", self._stream)

    def synchronize_context(self) -> None:
        self._call("cuCtxSynchronize")

    def allocate(self, size: int) -> int:
        (address,) = self._call("cuMemAlloc", size)
        self._addresses.append(int(address))
        return int(address)

    def pinned(self, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        (address,) = self._call("cuMemHostAlloc", size, 0)
        self._pinned.append(int(address))
        memory = memoryview((ctypes.c_char * size).from_address(int(address))).cast("B")
        array: np.ndarray = np.ndarray(shape, np.dtype(dtype), memory)
        array[...] = 0
        return array

    def copy_in(self, address: int, array: np.ndarray) -> None:
        self._call("cuMemcpyHtoDAsync", address, array.ctypes.data, array.nbytes, self._stream)

    def copy_out(self, array: np.ndarray, address: int) -> None:
        self._call("cuMemcpyDtoHAsync", array.ctypes.data, address, array.nbytes, self._stream)

    def _push(self) -> None:
        self._call("cuCtxPushCurrent", self._context)

    def _pop(self) -> None:
        self._call("cuCtxPopCurrent")

    def _free(self) -> None:
        frees = [("cuMemFree", address) for address in self._addresses]
        frees += [("cuMemFreeHost", address) for address in self._pinned]
        frees.append(("cuStreamDestroy", self._stream))
        for name, handle in frees:
            with contextlib.suppress(EngineError):  # one that fails must not keep the others
                self._call(name, handle)
        self._addresses.clear()
        self._pinned.clear()

    def _release(self) -> None:
        with contextlib.suppress(EngineError):
            self._call("cuDevicePrimaryCtxRelease", self._device)

    def _call(self, name: str, *arguments) -> tuple:
        """Call the driver; raises EngineError for any code but success."""
        code, *values = getattr(self._cuda, name)(*arguments)
        if int(code) != 0:
            raise EngineError(f"the GPU failed: {name} failed: {_meaning(self._cuda, code)}")
        return tuple(values)


class PycudaSession(Session):
    """Through `pycuda.driver`: objects that free themselves, where the thread or the current
    context allows it.
    """

    def __init__(self, cuda):
        super().__init__()
        self._cuda = cuda
        self._allocations: dict[int, Any] = {}
        self._context = self._do(
            lambda: cuda.Device(0).retain_primary_context()
        )  # takes memory, which others may hold
        self.is_open = True
        try:
            with self.current():
                self._stream = self._do(cuda.Stream, _NON_BLOCKING)
        except BaseException:
            self._release()
            raise
        self.stream = self._stream.handle

    def synchronize(self) -> None:
        self._do(self._stream.synchronize)

    def synchronize_context(self) -> None:
        self._do(self._cuda.Context.synchronize)

    def allocate(self, size: int) -> int:
        allocation = self._do(self._cuda.mem_alloc, size)
        self._allocations[int(allocation)] = allocation
        return int(allocation)

    def pinned(self, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        return self._do(self._cuda.pagelocked_zeros, shape, np.dtype(dtype))

    def copy_in(self, address: int, array: np.ndarray) -> None:
        self._do(self._cuda.memcpy_htod_async, self._allocations[address], array, self._stream)

    def copy_out(self, array: np.ndarray, address: int) -> None:
        self._do(self._cuda.memcpy_dtoh_async, array, self._allocations[address], self._stream)

    def _push(self) -> None:
        self._do(self._context.push)

    def _pop(self) -> None:
        self._do(self._context.pop)

    def _free(self) -> None:
        self._allocations.clear()
        self._stream = None

    def _release(self) -> None:
        with contextlib.suppress(EngineError):
            self._do(
                self._context.detach
            )  # itself: of a primary context pycuda's destructor makes a mess

    def _do(self, work: Callable, *arguments):
        """Call pycuda; its errors become EngineError."""
        try:
            return work(*arguments)
        except self._cuda.Error as error:
            raise EngineError(f"the GPU failed: {error}") from error


def import_cuda(binding: str = "auto") -> Callable[[], Session]:
    """Import what calls the driver, start it, and return what opens a session.

    Args:
        binding: One of `CUDA_BINDINGS`; "auto": the first of cuda-bindings and pycuda that is
        installed.

    Raises:
        EngineError: Where no package, no driver or no GPU is there, naming what is missing and how
        to get it.
    """
    if binding not in CUDA_BINDINGS:
        raise EngineError(f"cuda_binding: expected one of {CUDA_BINDINGS}, got {binding!r}")
    failures = []
    for name in CUDA_BINDINGS[1:] if binding == "auto" else (binding,):
        try:
            module = importlib.import_module(_MODULES[name])
        except Exception as error:  # noqa: BLE001 - no package, no libcuda, or built for another NumPy
            failures.append(f"{name}: {error} ({_CURES[name]})")
            continue
        return _STARTS[name](module)
    raise EngineError(
        f"expected {' or '.join(CUDA_BINDINGS[1:]) if binding == 'auto' else binding} to "
        "call the GPU's "
        f"driver on {platform.machine()}, got {'; '.join(failures)}"
    )


def _start_bindings(cuda) -> Callable[[], Session]:
    """Start the driver through cuda-bindings."""
    try:
        (code,) = cuda.cuInit(0)
        failed, count = cuda.cuDeviceGetCount()
        code = code or failed
        words = _meaning(cuda, code) if int(code) else ""
    except Exception as error:  # its loader's errors have no base of their own: no libcuda
        raise EngineError(f"expected an NVIDIA driver, got: {error}") from error
    if words:
        raise EngineError(f"expected an NVIDIA driver that works, got: {words}")
    if count == 0:
        raise EngineError("expected an NVIDIA GPU, got none")
    return lambda: BindingsSession(cuda)


def _start_pycuda(cuda) -> Callable[[], Session]:
    """Start the driver through pycuda."""
    try:
        cuda.init()
        if cuda.Device.count() == 0:
            raise EngineError("expected an NVIDIA GPU, got none")
    except cuda.Error as error:
        raise EngineError(f"expected an NVIDIA driver that works, got: {error}") from error
    return lambda: PycudaSession(cuda)


_MODULES = {"cuda-bindings": "cuda.bindings.driver", "pycuda": "pycuda.driver"}
_STARTS = {"cuda-bindings": _start_bindings, "pycuda": _start_pycuda}


def _meaning(cuda, code) -> str:
    """The driver's own words for a code, else its number."""
    _, words = cuda.cuGetErrorString(code)
    return words.decode(errors="replace") if words else f"CUDA error {int(code)}"
