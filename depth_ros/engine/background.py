"""Start at once on one engine, and change to a faster one between two frames as soon as that is
built.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable
from functools import partial

import numpy as np

from depth_ros.core.errors import EngineError

from .base import Engine, check_inputs

Size = tuple[int, ...]
# Builds, opens and compares in a background thread (slow), until the event is set.
Prepare = Callable[[dict[str, np.ndarray], threading.Event], Engine]
_CLOSE_S = 5.0
_STOP_S = 10.0
LIVE = "live"
PATIENT = "patient"
STRICT = "strict"


class UpgradingEngine:
    """An engine that answers with `first` until a faster one for the size of its frames is ready.

    From then on the thread that calls run alone works with it. Other sizes are built when they
    come. Where a build or an engine fails, `first` goes on, and `note` says why.

    Args:
        first: Answers meanwhile.
        prepare: Given the first inputs of a size, returns the engine for it, in a background
            thread: no frame waits.
        say: Called with a message at each change.
        policy: LIVE: as above. PATIENT: a frame waits for its engine, and where the first build
            fails `first` answers all frames. STRICT: a frame waits for its engine, and `first`
            never answers. In both all frames are answered by one engine or not at all: run raises
            EngineError where that one cannot be had.
    """

    def __init__(
        self,
        first: Engine,
        prepare: Prepare,
        say: Callable[[str], None] = lambda words: None,
        policy: str = LIVE,
    ):
        self.first = first
        self.say = say
        self.spec = first.spec
        self.model_hash = first.model_hash
        self.note = ""
        self._prepare = prepare
        self._policy = policy
        self._is_settled = False  # by which engine frames are answered, where that must not change
        self._fast: tuple[tuple[Size, ...], Engine] | None = None
        self._refused: set[tuple[Size, ...]] = set()
        self._build: _Build | None = None
        self._lock = threading.Lock()
        self._closed = False

    @property
    def name(self) -> str:
        """Of the engine that answers now."""
        return self._answering().name

    @property
    def precision(self) -> str:
        """Of the engine that answers now."""
        return self._answering().precision

    def _answering(self) -> Engine:
        """The engine that answers now."""
        fast = self._fast  # read once: another thread may ask while it changes
        if fast is None:
            return self.first
        return fast[1]

    def warmup(self) -> None:
        """Warm up the engine that answers first; the other is warmed up when it is opened."""
        self.first.warmup()

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the best engine for this size; raises EngineError where even the first one fails."""
        # Before the GPU sees them: inputs that do not fit are no fault of its engine, which would
        # be dropped for them.
        getattr(self.first, "check", partial(check_inputs, self.spec))(inputs)
        with self._lock:
            found = self._run_fast(inputs)
            if found is None and self._policy != LIVE:
                found = self._run_patiently(inputs)
        if found is None:
            found = self.first.run(inputs)
        return found

    def close(self) -> None:
        """Stop a build that is under way and give the GPU back; from any thread. `first` answers
        from then on.
        """
        self._closed = True
        atexit.unregister(self.close)
        if build := self._build:
            build.stop()
        # Without the lock a GPU hangs: what it works on must not be taken from it.
        if self._lock.acquire(timeout=_CLOSE_S):
            try:
                if self._build:  # one that a frame began meanwhile
                    self._build.stop()
                self._build = None
                self._drop_fast()
            finally:
                self._lock.release()

    def wait(self, timeout_s: float | None = None) -> None:
        """Wait until a build that is under way has ended; the next run takes it up."""
        if build := self._build:
            build.thread.join(timeout_s)

    def _run_patiently(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray] | None:
        """What the engine answers that was waited for; None where `first` answers this frame and
        all others.
        """
        self.wait()
        found = self._run_fast(inputs)
        if found is not None:
            self._is_settled = True
        elif self._policy == STRICT or self._is_settled:
            raise EngineError(f"the engine for these frames cannot be had: {self.note}")
        else:
            self._closed = True  # no other size is tried: one run, one engine
        return found

    def _run_fast(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray] | None:
        """What the fast engine answers; None where there is none for this size, or it failed."""
        sizes = tuple(inputs[name].shape for name in self.spec.inputs)
        self._take_up()
        if self._fast and self._fast[0] == sizes:
            try:
                return self._fast[1].run(inputs)
            except Exception as error:  # noqa: BLE001 - a GPU library may raise anything; frames go on
                self._refuse(sizes, f"{self._fast[1].name} failed: {error}")
                self._drop_fast()
        elif self._build is None and sizes not in self._refused and not self._closed:
            self._drop_fast()  # of another size: its memory is wanted
            copies = {name: np.copy(value) for name, value in inputs.items()}
            self._build = _Build(sizes, copies, self._prepare)
            meanwhile = "frames wait for it"
            if self._policy == LIVE:
                meanwhile = f"{self.first.name} answers meanwhile"
            self._report(f"building for {_image_size(sizes)} in the background; {meanwhile}")
        return None

    def _take_up(self) -> None:
        """Change to what the background has made."""
        build = self._build
        if build is None or build.thread.is_alive():
            return
        self._build = None
        if (engine := build.take()) is None:
            self._refuse(build.sizes, str(build.error or "the build was stopped"))
            return
        self._fast = (build.sizes, engine)
        # A process that ends gives the GPU back before its libraries are torn down.
        atexit.unregister(self.close)
        atexit.register(self.close)
        message = f"{self.name} answers from now on, for {_image_size(build.sizes)}"
        if note := getattr(engine, "note", ""):
            message += f"; {note}"
        self._report(message)

    def _refuse(self, sizes: tuple[Size, ...], reason: str) -> None:
        """Never try this size again, and report why."""
        self._refused.add(sizes)
        message = " ".join(reason.split())
        if self._policy == LIVE or (self._policy == PATIENT and not self._is_settled):
            message = f"{self.first.name} goes on: {message}"
        self._report(message)

    def _drop_fast(self) -> None:
        """Close the engine of another size, or one that failed."""
        if self._fast:
            _close(self._fast[1])
            self._fast = None

    def _report(self, message: str) -> None:
        self.note = message
        self.say(message)


class _Build:
    """One build in the background: take returns the engine once it has ended; .error is why there
    is none.

    A process that ends meanwhile stops it first: libraries that are torn down under a thread of
    theirs crash.
    """

    def __init__(self, sizes: tuple[Size, ...], inputs: dict, prepare: Prepare):
        self.sizes = sizes
        self._engine: Engine | None = None
        self.error: Exception | None = None
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self.thread = threading.Thread(
            target=self._work, args=(inputs, prepare), name="engine build", daemon=True
        )
        atexit.register(self._end)
        self.thread.start()

    def _work(self, inputs: dict, prepare: Prepare) -> None:
        try:
            self._engine = prepare(inputs, self._cancelled)
            self._give_up_if_stopped()
        except Exception as error:  # noqa: BLE001 - a GPU library may raise anything; the worker says what
            self.error = error
        finally:
            atexit.unregister(self._end)

    def stop(self) -> None:
        """Stop it, and close the engine that it has made or still makes; does not wait."""
        self._cancelled.set()
        self._give_up_if_stopped()

    def take(self) -> Engine | None:
        """Hand the engine over, to one alone; None where there is none."""
        with self._lock:
            engine = self._engine
            self._engine = None
        return engine

    def _give_up_if_stopped(self) -> None:
        if self._cancelled.is_set() and (engine := self.take()) is not None:
            _close(engine)

    def _end(self) -> None:
        self.stop()
        self.thread.join(_STOP_S)


def _close(engine: Engine) -> None:
    getattr(engine, "close", lambda: None)()


def _image_size(sizes: tuple[Size, ...]) -> str:
    """WIDTHxHEIGHT of the first input, as image (H, W, 3) or as tensor (1, C, H, W)."""
    first = sizes[0]
    if len(first) == 3:
        height, width = first[:2]
    else:
        height, width = first[2:4]
    return f"{width}x{height}"
