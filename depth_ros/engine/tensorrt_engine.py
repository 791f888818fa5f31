"""A TensorRT engine on the GPU: one context, one stream, buffers made once, one graph a frame."""

from __future__ import annotations

import contextlib

import numpy as np

from ..core.errors import EngineError
from .base import Runnable
from .cache import CachedEngine, EngineCache
from .cuda_graph import CudaGraph
from .parity import check_parity
from .tensorrt_library import import_library, logger
from .tensors import Tensors

_WARM_RUNS = 3


class TensorrtEngine:
    """An engine of one size, for one thread at a time.

    The GPU's context is current only while the engine works: pycuda ends the process when a thread ends that has one.
    cached: what the cache gave, whole and of the right key. Raises EngineError where driver, pycuda, TensorRT or GPU
    memory are missing, or the engine is not the one that its metadata says.
    """

    name = "tensorrt"

    def __init__(self, cached: CachedEngine):
        key = cached.about["key"]
        self.spec, self.model_hash = cached.spec, key["model_sha256"][:12]
        self.precision, self.tensors = key["precision"], Tensors.of(self.spec, key["shapes"])
        self._cuda = import_cuda()
        trt = import_library(key["library"])
        self._context = self._cuda.Device(0).retain_primary_context()
        self._graph = self._stream = None
        self._log = logger(trt)
        try:
            with self._current():
                self._open(trt, cached)
                self._make_buffers()
                self._graph = self._warmed_graph()
        except BaseException:
            self.close()
            raise

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Copy in, run, copy out. The arrays returned are the engine's own: the next run overwrites them.

        Raises EngineError for inputs of another size, or where the GPU fails.
        """
        self.tensors.check(inputs)
        for name in self.tensors.inputs:
            np.copyto(self._host[name], inputs[name])
        with self._current():
            if self._graph is None:
                self._enqueue()
            else:
                self._graph.launch()
            self._stream.synchronize()
        return {name: self._host[name] for name in self.tensors.outputs}

    def warmup(self) -> None:
        """Nothing is left to do: the engine ran when it was opened."""

    def close(self) -> None:
        """Give the GPU back."""
        with contextlib.suppress(EngineError), self._current():  # a GPU that has failed refuses this too
            self._graph = self._execution = self._engine = self._runtime = self._stream = None
            self._device, self._host = {}, {}
        with contextlib.suppress(self._cuda.Error):
            self._context.detach()

    @contextlib.contextmanager
    def _current(self):
        """Make the context current here for a while; what the GPU refuses meanwhile becomes an EngineError."""
        try:
            self._context.push()
            try:
                yield
            finally:
                self._context.pop()
        except self._cuda.Error as error:
            raise EngineError(f"the GPU failed: {error}") from error

    def _open(self, trt, cached: CachedEngine) -> None:
        """Deserialise what the cache has checked."""
        self._runtime = trt.Runtime(self._log)
        self._engine = self._runtime.deserialize_cuda_engine(cached.content)
        if self._engine is None:
            raise EngineError(f"{cached.path}: expected an engine for this GPU, got: {'; '.join(self._log.words)}")
        self._execution = self._engine.create_execution_context()
        if self._execution is None:
            raise EngineError(f"{cached.path}: out of GPU memory: {'; '.join(self._log.words)}")

    def _warmed_graph(self) -> CudaGraph | None:
        """Run on zeros until the library has chosen and loaded all it needs, then record one frame."""
        for _ in range(_WARM_RUNS):
            self._enqueue()
        self._stream.synchronize()
        return CudaGraph.capture(self._stream.handle, self._enqueue)

    def _make_buffers(self) -> None:
        """Pinned memory here and memory there for every tensor; their addresses never change again."""
        self._stream = self._cuda.Stream()
        tensors = self.tensors.inputs | self.tensors.outputs
        known = {self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)}
        if known != set(tensors):
            raise EngineError(f"expected an engine with the tensors {sorted(tensors)}, got {sorted(known)}")
        self._host, self._device = {}, {}
        for name, (shape, kind) in tensors.items():
            self._host[name] = self._cuda.pagelocked_zeros(shape, np.dtype(kind))
            self._device[name] = self._cuda.mem_alloc(self._host[name].nbytes)
            self._execution.set_tensor_address(name, int(self._device[name]))

    def _enqueue(self) -> None:
        """Put one frame's copies and its inference on the stream."""
        for name in self.tensors.inputs:
            self._cuda.memcpy_htod_async(self._device[name], self._host[name], self._stream)
        if not self._execution.execute_async_v3(self._stream.handle):
            raise EngineError(f"the engine failed: {'; '.join(self._log.words) or 'no reason given'}")
        for name in self.tensors.outputs:
            self._cuda.memcpy_dtoh_async(self._host[name], self._device[name], self._stream)


def open_checked(cache: EngineCache, key, reference: Runnable, frames: list[dict]) -> TensorrtEngine:
    """Open the engine of a key, and pass it through the parity gate the first time that it runs on this machine.

    Called in the thread that will run it. Raises StaleEngine, or EngineError where the engine answers otherwise than
    ONNX Runtime does; the outcome is kept in the metadata, so that a refused engine is not tried again.
    """
    cached = cache.load(key)
    outcome = cached.about.get("parity") or {}
    if "refused" in outcome:
        raise EngineError(f"{cached.path}: refused before: {outcome['refused']}")
    engine = TensorrtEngine(cached)
    if outcome:
        return engine
    try:
        cache.note(cached.path, parity=check_parity(engine, reference, key.precision, frames))
    except EngineError as error:
        engine.close()
        cache.note(cached.path, parity={"refused": str(error)})
        raise
    return engine


def import_cuda():
    """Import pycuda and start the driver; raises EngineError, naming what is missing."""
    try:
        import pycuda.driver as cuda
    except ImportError as error:
        raise EngineError(f"expected pycuda and an NVIDIA driver, got: {error} (pip install pycuda)") from error
    try:
        cuda.init()
        if cuda.Device.count() == 0:
            raise EngineError("expected an NVIDIA GPU, got none")
    except cuda.Error as error:
        raise EngineError(f"expected an NVIDIA driver that works, got: {error}") from error
    return cuda
