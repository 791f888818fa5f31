"""One CUDA graph of one stream, through the driver itself: pycuda has no call for it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from ..core.errors import EngineError

_THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: what other threads do with the GPU does not spoil it


class CudaGraph:
    """What was put on a stream, to be put there again in one call. Belongs to the thread that captured it."""

    def __init__(self, driver, executable: ctypes.c_void_p, stream: int):
        self._driver, self._executable, self._stream = driver, executable, ctypes.c_void_p(stream)

    @classmethod
    def capture(cls, stream: int, enqueue: Callable[[], None]) -> CudaGraph | None:
        """Record what enqueue puts on a stream (its handle); None where driver or work cannot be captured.

        Nothing runs while it is recorded. Without a graph the caller enqueues each frame anew: slower.
        """
        graph, executable = ctypes.c_void_p(), ctypes.c_void_p()
        try:
            driver = ctypes.CDLL("libcuda.so.1")
            if driver.cuStreamBeginCapture_v2(ctypes.c_void_p(stream), _THREAD_LOCAL) != 0:
                return None
            try:
                enqueue()
            except Exception:  # noqa: BLE001 - whatever it was, the stream must leave capture, and plain calls say it
                driver.cuStreamEndCapture(ctypes.c_void_p(stream), ctypes.byref(graph))
                return None
            if driver.cuStreamEndCapture(ctypes.c_void_p(stream), ctypes.byref(graph)) != 0 or not graph:
                return None
            code = driver.cuGraphInstantiateWithFlags(ctypes.byref(executable), graph, ctypes.c_ulonglong(0))
            driver.cuGraphDestroy(graph)
        except (OSError, AttributeError):  # no driver, or one older than CUDA 11.4
            return None
        return cls(driver, executable, stream) if code == 0 else None

    def launch(self) -> None:
        """Put it all on the stream again; raises EngineError where the driver refuses."""
        code = self._driver.cuGraphLaunch(self._executable, self._stream)
        if code != 0:
            raise EngineError(f"expected a CUDA graph that runs, got CUDA error {code}")
