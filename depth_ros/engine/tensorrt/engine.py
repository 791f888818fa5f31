"""A TensorRT engine on the GPU: one context, one stream, buffers made once, one graph a frame."""

from __future__ import annotations

import contextlib
import traceback

import numpy as np

from depth_ros.core.errors import EngineError
from depth_ros.engine.base import Runnable
from depth_ros.engine.parity import ParityError, check_parity

from .api import create_or_raise, import_library, logger, type_name
from .cache import CachedEngine, EngineCache, StaleEngine
from .cuda_graph import CudaGraph
from .tensors import Tensors

_WARM_RUNS = 3
# CU_STREAM_NON_BLOCKING: builders in other threads use the default stream, which stops all others
_NON_BLOCKING = 1


class TensorrtEngine:
    """An engine of one size, for one thread at a time.

    The GPU's context is current only while the engine works: pycuda ends the process when a thread
    ends that has one. cached: what the cache gave, whole and of the right key. note: why frames are
    not replayed as a graph, "" where they are. Raises EngineError where driver, pycuda, TensorRT or
    GPU memory are missing, or the engine is not the one that its metadata says; StaleEngine where
    TensorRT does not take it, as after a change of GPU or driver.
    """

    name = "tensorrt"

    def __init__(self, cached: CachedEngine):
        key = cached.about["key"]
        self.spec, self.model_hash = cached.spec, key["model_sha256"][:12]
        self.precision, self.tensors = key["precision"], Tensors.of(self.spec, key["shapes"])
        self._cuda = import_cuda()
        trt = import_library(key["library"])
        try:
            self._context = self._cuda.Device(0).retain_primary_context()
        except self._cuda.Error as error:  # it takes memory itself, which another process may hold
            raise EngineError(f"the GPU failed: {error}") from error
        self._graph: CudaGraph | None = None
        self._execution = self._engine = self._runtime = self._stream = None
        self._device, self._host, self.note, self._read = {}, {}, "", tuple(self.tensors.outputs)
        self._log = logger(trt)
        try:
            with self._current():
                self._open(trt, cached)
                self._make_buffers()
                self._warm_up()
                self._record()
        except BaseException:
            self.close()
            raise

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Copy in, run, copy out. The arrays returned are the engine's own: the next run overwrites
        them.

        Raises EngineError for inputs of another size, or where the GPU fails.
        """
        self.tensors.check(inputs)
        with self._current():
            for name in self.tensors.inputs:
                np.copyto(self._host[name], inputs[name])
            if self._graph is None:
                self._enqueue()
            else:
                self._graph.launch()
            self._stream.synchronize()
        return {name: self._host[name] for name in self._read}

    def read_only(self, names: tuple[str, ...]) -> None:
        """Copy these outputs back from now on, and leave the others there: copies are a good
        part of a frame.
        """
        with self._current():
            self._read = names
            if self._graph is not None:
                self._graph.free()
                self._record()

    def warmup(self) -> None:
        """Nothing is left to do: the engine ran when it was opened."""

    def close(self) -> None:
        """Give the GPU back, in the thread that ran it or after that has ended. A second time does
        nothing.

        What run gave must not be read any more: its memory may go with the context.
        """
        if self._context is None:
            return
        with (
            contextlib.suppress(EngineError),
            self._current(),
        ):  # a GPU that has failed refuses this too
            if self._graph is not None:
                self._graph.free()
            # What uses goes before what is used.
            self._graph = self._execution = self._engine = self._runtime = self._stream = None
            self._device, self._host = {}, {}
        with contextlib.suppress(self._cuda.Error):
            self._context.detach()  # itself: of a primary context pycuda's destructor makes a mess
        self._context = None

    @contextlib.contextmanager
    def _current(self):
        """Make the context current here for a while; what the GPU refuses meanwhile becomes an
        EngineError.
        """
        if self._context is None:
            raise EngineError("expected an engine that is open, got one that was closed")
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
        self._runtime = create_or_raise(self._log, "runtime", trt.Runtime, self._log)
        self._engine = self._runtime.deserialize_cuda_engine(cached.content)
        if self._engine is None:
            said = "; ".join(self._log.words)
            kind = EngineError if "memory" in said.lower() else StaleEngine
            raise kind(f"{cached.path}: expected an engine for this GPU, got: {said}")
        self._execution = self._engine.create_execution_context()
        if self._execution is None:
            raise EngineError(f"{cached.path}: out of GPU memory: {'; '.join(self._log.words)}")

    def _make_buffers(self) -> None:
        """Pinned memory here and memory there for every tensor; their addresses never change
        again.
        """
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        shapes, types = self._engine.get_tensor_shape, self._engine.get_tensor_dtype
        self.tensors.check_compiled(
            {name: (tuple(shapes(name)), type_name(types(name))) for name in names}
        )
        self._stream = self._cuda.Stream(_NON_BLOCKING)
        for name, (shape, kind) in (self.tensors.inputs | self.tensors.outputs).items():
            self._host[name] = self._cuda.pagelocked_zeros(shape, np.dtype(kind))
            self._device[name] = self._cuda.mem_alloc(self._host[name].nbytes)
            if not self._execution.set_tensor_address(name, int(self._device[name])):
                raise EngineError(
                    f"{name}: expected an address that TensorRT takes, got: "
                    f"{'; '.join(self._log.words)}"
                )

    def _warm_up(self) -> None:
        """Run on zeros until the library has chosen and loaded all it needs."""
        # what opening left on the default stream, for which ours does not wait
        self._cuda.Context.synchronize()
        for _ in range(_WARM_RUNS):
            self._enqueue()
        self._stream.synchronize()

    def _record(self) -> None:
        """Record one frame, and replay it once."""
        self._graph = None
        capturable = getattr(
            self._execution, "is_stream_capturable", lambda stream: True
        )  # tensorrt_rtx has it
        try:
            if not capturable(self._stream.handle):
                raise EngineError("TensorRT says that it cannot be recorded")
            self._graph = CudaGraph.capture(self._stream.handle, self._enqueue)
        except (
            EngineError
        ) as error:  # frames are put on the stream one by one then: slower, and right
            self.note = f"no CUDA graph: {error}"
            return
        self._graph.launch()
        self._stream.synchronize()

    def _enqueue(self) -> None:
        """Put one frame's copies and its inference on the stream."""
        for name in self.tensors.inputs:
            self._cuda.memcpy_htod_async(self._device[name], self._host[name], self._stream)
        if not self._execution.execute_async_v3(self._stream.handle):
            raise EngineError(
                f"the engine failed: {'; '.join(self._log.words) or 'no reason given'}"
            )
        for name in self._read:
            self._cuda.memcpy_dtoh_async(self._host[name], self._device[name], self._stream)


def open_checked(
    cache: EngineCache, key, reference: Runnable, frames: list[dict], read: tuple[str, ...] = ()
) -> TensorrtEngine:
    """Open the engine of a key, and pass it through the parity gate the first time that it runs on
    this machine.

    read: the outputs that are wanted after the gate, () = all. Raises StaleEngine, and removes what
    TensorRT does not take, so that it is built anew; ParityError where the engine answers otherwise
    than ONNX Runtime does: the outcome is kept in the metadata, so that a refused engine is not
    tried again; EngineError as TensorrtEngine.
    """
    cached = cache.load(key)
    outcome = cached.about.get("parity") or {}
    if "refused" in outcome:
        raise EngineError(f"{cached.path}: refused before: {outcome['refused']}")
    try:
        engine = TensorrtEngine(cached)
    except StaleEngine as error:
        cache.discard(cached.path)
        raise StaleEngine(f"{error} (removed: the next start builds it anew)") from error
    try:
        if not outcome:
            _note(cache, cached, check_parity(engine, reference, key.precision, frames))
        if read:
            engine.read_only(read)
    except BaseException as error:
        traceback.clear_frames(
            error.__traceback__
        )  # they hold answers, in memory that pycuda frees only before detach
        engine.close()
        if isinstance(
            error, ParityError
        ):  # nothing else, as memory that another process holds now, is for good
            _note(cache, cached, {"refused": str(error)})
        raise
    return engine


def _note(cache: EngineCache, cached: CachedEngine, outcome: dict) -> None:
    """Keep the outcome of the gate; where that cannot be written, the gate is passed again next
    time.
    """
    with contextlib.suppress(EngineError, OSError):
        cache.note(cached.path, parity=outcome)


def import_cuda():
    """Import pycuda and start the driver; raises EngineError, naming what is missing."""
    try:
        import pycuda.driver as cuda
    except (
        Exception
    ) as error:  # no package, no libcuda, or built for another NumPy, which raises what it likes
        raise EngineError(
            f"expected pycuda and an NVIDIA driver, got: {error} (pip install pycuda)"
        ) from error
    try:
        cuda.init()
        if cuda.Device.count() == 0:
            raise EngineError("expected an NVIDIA GPU, got none")
    except cuda.Error as error:
        raise EngineError(f"expected an NVIDIA driver that works, got: {error}") from error
    return cuda
