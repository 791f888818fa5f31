"""A TensorRT engine on the GPU: one context, one stream, buffers made once, one graph a frame."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterable

import numpy as np

from depth_ros.core.errors import EngineError
from depth_ros.engine.base import Runnable
from depth_ros.engine.parity import ParityError, check_parity, refusal, still_valid
from depth_ros.engine.tensorrt.cuda_driver import import_cuda
from depth_ros.engine.tensorrt.gpu import find_gpu
from depth_ros.engine.tensorrt.nvtx import make_ranges

from .api import create_or_raise, import_library, logger, type_name
from .cache import CachedEngine, CacheKey, EngineCache, StaleEngine, note
from .cuda_graph import CudaGraph
from .tensors import Tensors

_WARM_RUNS = 3


class TensorrtEngine:
    """An engine of one size, for one thread at a time, whichever that is.

    Args:
        cached: What the cache gave, whole and of the right key.
        binding: By which package the driver is called, see `cuda_driver.import_cuda`.

    Attributes:
        note: Why frames are not replayed as a graph, "" where they are.

    Raises:
        EngineError: Where driver, its binding, TensorRT or GPU memory are missing, or the engine is
        not the one that
            its metadata says.
        StaleEngine: Where TensorRT does not take it, as after a change of GPU or driver.
    """

    name = "tensorrt"

    def __init__(self, cached: CachedEngine, binding: str = "auto"):
        key = cached.about["key"]
        self.spec = cached.spec
        self.model_hash = key["model_sha256"][:12]
        self.precision = key["precision"]
        self.tensors = Tensors.of(self.spec, key["shapes"])
        self.note = ""
        self._graph: CudaGraph | None = None
        self._execution = self._engine = self._runtime = None
        self._device: dict[str, int] = {}
        self._host: dict[str, np.ndarray] = {}
        self._read = tuple(self.tensors.outputs)
        self._range = make_ranges()
        open_session = import_cuda(binding)
        trt = import_library(key["library"])
        self._log = logger(trt)
        self._session = open_session()
        try:
            with self._session.current():
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
        with self._session.current():
            with self._range("engine.copy"):
                for name in self.tensors.inputs:
                    np.copyto(self._host[name], inputs[name])
            with self._range("engine.run"):
                if self._graph is None:
                    self._enqueue()
                else:
                    self._graph.launch()
                self._session.synchronize()
        return {name: self._host[name] for name in self._read}

    def read_only(self, names: tuple[str, ...]) -> None:
        """Copy these outputs back from now on, and leave the others there: copies are a good
        part of a frame.
        """
        with self._session.current():
            self._read = names
            if self._graph is not None:
                self._graph.free()
                self._record()

    def warmup(self) -> None:
        """Nothing is left to do: the engine ran when it was opened."""

    def close(self) -> None:
        """Give the GPU back, in the thread that ran it or after that has ended. A second time does
        nothing.

        What run gave must not be read any more: its memory goes with the session.
        """
        if not self._session.is_open:
            return
        with (
            contextlib.suppress(EngineError),
            self._session.current(),
        ):  # a GPU that has failed refuses this too
            if self._graph is not None:
                self._graph.free()
            # What uses goes before what is used.
            self._graph = self._execution = self._engine = self._runtime = None
            self._host.clear()
            self._device.clear()
        self._session.close()

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
        for name, (shape, kind) in (self.tensors.inputs | self.tensors.outputs).items():
            self._host[name] = self._session.pinned(shape, kind)
            self._device[name] = self._session.allocate(self._host[name].nbytes)
            if not self._execution.set_tensor_address(name, self._device[name]):
                raise EngineError(
                    f"{name}: expected an address that TensorRT takes, got: "
                    f"{'; '.join(self._log.words)}"
                )

    def _warm_up(self) -> None:
        """Run on zeros until the library has chosen and loaded all it needs."""
        # what opening left on the default stream, for which ours does not wait
        self._session.synchronize_context()
        for _ in range(_WARM_RUNS):
            self._enqueue()
        self._session.synchronize()

    def _record(self) -> None:
        """Record one frame, and replay it once."""
        self._graph = None
        stream = self._session.stream
        capturable = getattr(
            self._execution, "is_stream_capturable", lambda stream: True
        )  # tensorrt_rtx has it
        try:
            if not capturable(stream):
                raise EngineError("TensorRT says that it cannot be recorded")
            self._graph = CudaGraph.capture(stream, self._enqueue)
        except (
            EngineError
        ) as error:  # frames are put on the stream one by one then: slower, and right
            self.note = f"no CUDA graph: {error}"
            return
        self._graph.launch()
        self._session.synchronize()

    def _enqueue(self) -> None:
        """Put one frame's copies and its inference on the stream."""
        for name in self.tensors.inputs:
            self._session.copy_in(self._device[name], self._host[name])
        if not self._execution.execute_async_v3(self._session.stream):
            raise EngineError(
                f"the engine failed: {'; '.join(self._log.words) or 'no reason given'}"
            )
        for name in self._read:
            self._session.copy_out(self._host[name], self._device[name])


def open_checked(
    cache: EngineCache,
    key: CacheKey,
    reference: Runnable,
    frames: Iterable[dict],
    read: tuple[str, ...] = (),
    binding: str = "auto",
) -> TensorrtEngine:
    """Open the engine of a key, and pass it through the parity gate the first time that it runs on
    this machine.

    Args:
        cache: Where it lies. key: Of the engine. reference: What it is compared with. frames: Input
        arrays by name; not taken, and where they are a generator not made, if the gate was passed
        before. read: The outputs that are wanted after the gate, () = all. binding: By which
        package the driver is called.

    Raises:
        StaleEngine: Where TensorRT does not take it; it is removed then, so that it is built anew.
        ParityError: Where it answers otherwise than the reference. That is kept in the metadata, so
        that a refused
            engine is not tried again before model, library, driver or tolerance have changed.
        EngineError: As TensorrtEngine.
    """
    cached = cache.load(key)
    try:
        return open_file(cached, reference, frames, read, binding)
    except StaleEngine as error:
        cache.discard(cached.path)
        raise StaleEngine(f"{error} (removed: the next start builds it anew)") from error


def open_file(
    cached: CachedEngine,
    reference: Runnable,
    frames: Iterable[dict],
    read: tuple[str, ...] = (),
    binding: str = "auto",
) -> TensorrtEngine:
    """Open an engine wherever it lies, through the same gate as `open_checked`; nothing is ever
    removed.
    """
    outcome = _outcome(cached)
    if "refused" in outcome:
        raise ParityError(f"{cached.path}: refused before: {outcome['refused']} ({_CURE})")
    engine = TensorrtEngine(cached, binding)
    try:
        if not outcome:
            _note(cached, check_parity(engine, reference, engine.precision, frames))
        if read:
            engine.read_only(read)
    except BaseException as error:
        traceback.clear_frames(
            error.__traceback__
        )  # they hold answers, in memory that goes with the session
        engine.close()
        if isinstance(
            error, ParityError
        ):  # nothing else, as memory that another process holds now, is for good
            _note(cached, refusal(error))
        raise
    return engine


_CURE = "depth-ros build --force judges it anew"


def _outcome(cached: CachedEngine) -> dict:
    """The outcome of an earlier gate; empty where there was none, or tolerances, GPU or driver
    were others.
    """
    outcome = still_valid(cached.about.get("parity"))
    return outcome if outcome.get("judged_by") == _machine() else {}


def _machine() -> dict[str, str]:
    """The GPU at hand and its driver; neither where that cannot be asked, and then nothing is
    opened either.
    """
    try:
        gpu = find_gpu()
    except EngineError:
        return {}
    return {
        "gpu": f"{gpu.name} {gpu.compute_capability} x{gpu.multiprocessors}",
        "driver": gpu.driver,
    }


def _note(cached: CachedEngine, outcome: dict) -> None:
    """Keep the outcome of the gate; where that cannot be written, the gate is passed again next
    time.
    """
    with contextlib.suppress(EngineError, OSError):
        note(cached.path, parity={**outcome, "judged_by": _machine()})
