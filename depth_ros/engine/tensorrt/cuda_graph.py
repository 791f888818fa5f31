"""One CUDA graph of one stream, through libcuda itself, whichever binding made the stream."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from depth_ros.core.errors import EngineError
from depth_ros.engine.tensorrt.gpu import cuda_words

# CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: what other threads do with the GPU does not spoil it
_THREAD_LOCAL = 1


class CudaGraph:
    """What was put on a stream, to be put there again in one call; its context must be current
    whenever it is used.
    """

    def __init__(self, driver, executable: ctypes.c_void_p, stream: int):
        self._driver = driver
        self._executable = executable
        self._stream = ctypes.c_void_p(stream)

    @classmethod
    def capture(cls, stream: int, enqueue: Callable[[], None]) -> CudaGraph:
        """Record what enqueue puts on a stream (its handle), of which nothing runs meanwhile.

        The stream must be a non-blocking one: work of other threads on the default stream spoils
        any other. All that enqueue uses must have run before, so that nothing is allocated. Raises
        EngineError, with the reason, where driver or work cannot be captured; the stream can then
        be used as before.
        """
        try:
            driver = ctypes.CDLL("libcuda.so.1")
            begin = driver.cuStreamBeginCapture_v2
            instantiate = driver.cuGraphInstantiateWithFlags
        except (OSError, AttributeError) as error:  # no driver, or one older than CUDA 11.4
            raise EngineError(f"expected a driver with CUDA graphs, got: {error}") from error
        graph = ctypes.c_void_p()
        executable = ctypes.c_void_p()
        _check(driver, begin(ctypes.c_void_p(stream), _THREAD_LOCAL))
        failure = None
        try:
            enqueue()
        except Exception as error:  # noqa: BLE001 - whatever it was, the stream must leave capture
            failure = error
        code = driver.cuStreamEndCapture(ctypes.c_void_p(stream), ctypes.byref(graph))
        try:
            if failure is not None:
                raise EngineError(
                    f"expected a frame that can be recorded, got: {failure}"
                ) from failure
            _check(driver, code)
            _check(driver, instantiate(ctypes.byref(executable), graph, ctypes.c_ulonglong(0)))
        finally:
            if graph:
                driver.cuGraphDestroy(graph)
        return cls(driver, executable, stream)

    def launch(self) -> None:
        """Put it all on the stream again; raises EngineError where the driver refuses."""
        _check(self._driver, self._driver.cuGraphLaunch(self._executable, self._stream))

    def free(self) -> None:
        """Give back what the driver keeps for it; it must not be running."""
        self._driver.cuGraphExecDestroy(self._executable)


def _check(driver, code: int) -> None:
    if code != 0:
        raise EngineError(f"expected a CUDA graph that runs, got {cuda_words(driver, code)}")
