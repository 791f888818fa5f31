"""The change of engines, with fakes: nothing here needs a GPU, nor says anything about one."""

import threading
import time

import numpy as np
import pytest

from depth_ros.core.errors import EngineError
from depth_ros.engine.background import PATIENT, STRICT, UpgradingEngine
from depth_ros.engine.onnx import OnnxEngine


class Fast:
    """Answers 7 everywhere, to one thread, which is not the one that made it; fails when told
    to.
    """

    name = "fast"

    def __init__(self, fails=False):
        self.maker, self.threads, self.fails, self.closed = (
            threading.get_ident(),
            set(),
            fails,
            False,
        )

    def run(self, inputs):
        self.threads.add(threading.get_ident())
        assert len(self.threads) == 1 and self.maker not in self.threads and not self.closed
        if self.fails:
            raise EngineError("out of memory")
        return {"disparity": np.full_like(inputs["left"][:, :1], 7), "log_sigma": None}

    def close(self):
        self.closed = True


def pair(height=16, width=24):
    return {
        "left": np.full((1, 3, height, width), 3, np.float32),
        "right": np.ones((1, 3, height, width), np.float32),
    }


def answer(engine, **size):
    return float(engine.run(pair(**size))["disparity"].mean())


@pytest.fixture
def first(make_model):
    return OnnxEngine(make_model())


def test_starts_at_once_and_changes_between_frames(first):
    gate, said = threading.Event(), []

    def prepare(inputs, cancelled):
        assert threading.current_thread().name == "engine build" and inputs["left"].shape == (
            1,
            3,
            16,
            24,
        )
        gate.wait(10)
        return Fast()

    engine = UpgradingEngine(first, prepare, said.append)
    engine.warmup()
    assert [answer(engine) for _ in range(3)] == [2, 2, 2] and engine.name == "onnxruntime"
    gate.set()
    engine.wait(10)
    assert [answer(engine) for _ in range(3)] == [7, 7, 7] and engine.name == "fast"
    assert len(said) == 2 and "24x16 in the background; onnxruntime answers" in said[0]
    assert said[1] == engine.note == "fast answers from now on, for 24x16"


def test_another_size_is_built_when_it_comes(first):
    made = []

    def prepare(inputs, cancelled):
        return made.append(Fast()) or made[-1]

    engine = UpgradingEngine(first, prepare)
    answer(engine)
    engine.wait(10)
    assert answer(engine) == 7
    assert answer(engine, width=32) == 2
    engine.wait(10)
    assert answer(engine, width=32) == 7
    assert (len(made), made[0].closed, made[1].closed) == (2, True, False)


@pytest.mark.parametrize("where", ["build", "gate", "odd"])
def test_a_failure_is_said_once_and_the_first_goes_on(first, where):
    said, tried = [], []

    def prepare(inputs, cancelled):
        tried.append(1)
        raise {
            "build": EngineError("expected an NVIDIA driver, got: none"),
            "odd": RuntimeError("CUDA\n719"),
            "gate": EngineError("parity: expected 0.05 px, got 3"),
        }[where]

    engine = UpgradingEngine(first, prepare, said.append)
    for _ in range(4):
        assert answer(engine) == 2
        engine.wait(10)
    assert len(tried) == 1 and engine.name == "onnxruntime" and len(said) == 2
    words = {
        "build": "NVIDIA driver",
        "gate": "parity: expected 0.05 px, got 3",
        "odd": "CUDA 719",
    }[where]
    assert "onnxruntime goes on" in engine.note and words in engine.note


def test_an_engine_that_fails_later_is_closed(first):
    fast = []
    engine = UpgradingEngine(first, lambda inputs, cancelled: fast.append(Fast()) or fast[-1])
    answer(engine)
    engine.wait(10)
    assert answer(engine) == 7
    fast[0].fails = True
    assert [answer(engine) for _ in range(3)] == [2, 2, 2]
    assert fast[0].closed and "fast failed: out of memory" in engine.note and len(fast) == 1


@pytest.mark.parametrize("policy", [PATIENT, STRICT])
def test_a_frame_waits_for_its_engine_where_one_alone_may_answer(first, policy):
    """Also of another size: no two engines answer in one report."""
    engine = UpgradingEngine(
        first, lambda inputs, cancelled: time.sleep(0.1) or Fast(), policy=policy
    )
    assert [answer(engine), answer(engine, width=32), answer(engine)] == [
        7,
        7,
        7,
    ] and engine.name == "fast"


def test_who_did_not_insist_gets_the_first_engine_for_all_frames(first):
    tried = []

    def prepare(inputs, cancelled):
        tried.append(inputs["left"].shape)
        raise EngineError("no driver")

    engine = UpgradingEngine(first, prepare, policy=PATIENT)
    assert [answer(engine), answer(engine, width=32), answer(engine)] == [2, 2, 2]
    assert (
        len(tried) == 1
        and engine.name == "onnxruntime"
        and "onnxruntime goes on: no driver" in engine.note
    )


def test_who_insisted_gets_no_frame_of_another_engine(first):
    def prepare(inputs, cancelled):
        raise EngineError("no driver")

    engine = UpgradingEngine(first, prepare, policy=STRICT)
    for width in (24, 24, 32):
        with pytest.raises(
            EngineError, match="the engine for these frames cannot be had: no driver"
        ):
            answer(engine, width=width)


@pytest.mark.parametrize("policy", [PATIENT, STRICT])
def test_an_engine_that_fails_later_is_not_replaced_in_the_middle(first, policy):
    fast = []
    engine = UpgradingEngine(
        first, lambda inputs, cancelled: fast.append(Fast()) or fast[-1], policy=policy
    )
    assert answer(engine) == 7
    fast[0].fails = True
    for _ in range(2):
        with pytest.raises(EngineError, match="cannot be had: fast failed: out of memory"):
            answer(engine)


def test_inputs_that_nothing_fits_are_refused(first):
    engine = UpgradingEngine(first, lambda inputs, cancelled: Fast())
    with pytest.raises(EngineError, match="missing"):
        engine.run({"left": pair()["left"]})
    answer(engine)
    engine.wait(10)
    assert answer(engine) == 7
    with pytest.raises(EngineError, match="expected float32"):
        engine.run({name: value.astype(np.float64) for name, value in pair().items()})
    assert answer(engine) == 7, "inputs that do not fit are no fault of the engine"


def test_what_is_closed_stops_its_build_and_gives_back(first):
    made, stopped = [], threading.Event()

    def prepare(inputs, cancelled):
        if made:
            assert cancelled.wait(10)
            stopped.set()
            raise EngineError("interrupted")
        return made.append(Fast()) or made[-1]

    engine = UpgradingEngine(first, prepare)
    answer(engine)
    engine.wait(10)
    assert answer(engine) == 7
    answer(engine, width=32)
    engine.close()
    assert stopped.wait(10) and made[0].closed
    assert answer(engine, width=48) == 2 and engine.name == "onnxruntime" and len(made) == 1
    engine.close()


def test_an_engine_that_comes_too_late_is_closed(first):
    """The GPU is given back also where the engine was being opened when the node ended."""
    opening, gate, made = threading.Event(), threading.Event(), []

    def prepare(inputs, cancelled):
        opening.set()
        gate.wait(10)
        return made.append(Fast()) or made[-1]

    engine = UpgradingEngine(first, prepare)
    answer(engine)
    assert opening.wait(10)
    thread = engine._build.thread
    engine.close()
    gate.set()
    thread.join(10)
    assert made[0].closed and answer(engine) == 2 and engine.name == "onnxruntime"


def test_a_build_that_a_frame_begins_while_all_is_closed_is_stopped(first):
    cancels, ended = [], threading.Event()

    def prepare(inputs, cancelled):
        cancels.append(cancelled)
        cancelled.wait(10)
        ended.set()
        raise EngineError("stopped")

    engine = UpgradingEngine(first, prepare)
    lock = engine._lock

    # close has looked for a build and found none; the frame was already past its own look
    class AfterAFrame:
        def acquire(self, timeout):
            engine._lock, engine._closed = lock, False
            answer(engine)
            return lock.acquire(timeout=timeout)

    engine._lock = AfterAFrame()
    engine.close()
    assert ended.wait(5) and cancels[0].is_set()


def test_a_graph_that_was_not_recorded_is_said(first):
    def prepare(inputs, cancelled):
        fast = Fast()
        fast.note = "no CUDA graph: an old driver"
        return fast

    engine = UpgradingEngine(first, prepare)
    answer(engine)
    engine.wait(10)
    answer(engine)
    assert engine.note == "fast answers from now on, for 24x16; no CUDA graph: an old driver"
