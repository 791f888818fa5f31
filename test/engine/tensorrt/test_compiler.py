"""The process that compiles: stopped, crashed, killed, or left alone, with a worker in the place
of TensorRT.
"""

import _thread
import os
import signal
import threading
import time

import pytest

from depth_ros.core.errors import EngineError
from depth_ros.engine.tensorrt import compiler
from depth_ros.engine.tensorrt.compiler import Job, compile_apart

# What a worker does instead of compiling: it has the real one's pipes and folder.
WORKER = """
import json, os, sys, time
from pathlib import Path
from depth_ros.engine.tensorrt import compile_worker
def compile_network(trt, content, precision, capability, options, progress):
    {body}
compile_worker.compile_network = compile_network
compile_worker.import_library = lambda name: None
sys.exit(compile_worker.main(Path(sys.argv[1])))
"""
JOB = Job(b"graph", "tensorrt", "fp16", workspace_mib=64)
_REAL = compiler.subprocess.Popen


@pytest.fixture
def working(monkeypatch):
    """A factory: let the worker do this; returns a list in which its process will be."""

    def make(body):
        started = []

        def start(command, **options):
            code = WORKER.format(body=body.replace("\n", "\n    "))
            started.append(_REAL([command[0], "-c", code, command[-1]], **options))
            return started[-1]

        monkeypatch.setattr(compiler.subprocess, "Popen", start)
        return started

    return make


def test_what_is_compiled_comes_back(working):
    working(
        "progress(0.25)\nprint('the library talks')\nprogress(1.0)\n"
        "assert options.workspace_mib == 64 and precision == 'fp16'\n"
        "return content + b' compiled', {'left': ((1, 3), 'float')}"
    )
    shares = []
    assert compile_apart(JOB, shares.append) == (b"graph compiled", {"left": ((1, 3), "float")})
    assert shares == [0.25, 1.0]


@pytest.mark.parametrize(
    "body, words",
    [
        (
            "os.kill(os.getpid(), 11)",
            r"the build crashed \(SIGSEGV\); no engine was written: it said nothing",
        ),
        (
            "print('last words', file=sys.stderr, flush=True); os.abort()",
            r"crashed \(SIGABRT\).*: last words",
        ),
        (
            "os.kill(os.getpid(), 9)",
            r"was killed \(SIGKILL\): the system was out of memory, or somebody ended it",
        ),
        ("raise MemoryError('no room')", "ended with code 1; .*MemoryError: no room"),
        ("raise compile_worker.EngineError('expected a graph')", "^expected a graph$"),
        (
            "print('CUDA 35', file=sys.stderr, flush=True); "
            "raise compile_worker.EngineError('got none: no reason given')",
            "^got none: CUDA 35$",
        ),
    ],
)
def test_a_worker_that_fails_is_survived_and_named(working, body, words):
    working(body)
    with pytest.raises(EngineError, match=words):
        compile_apart(JOB)


def test_a_worker_is_stopped_at_any_moment(working):
    """TensorRT 8.6 asks nobody whether to go on: the process is killed."""
    started, cancelled = working("progress(0.5)\ntime.sleep(60)"), threading.Event()
    begun = time.monotonic()
    with pytest.raises(EngineError, match="interrupted: no engine was written"):
        compile_apart(JOB, lambda share: cancelled.set(), cancelled)
    assert started[0].poll() == -signal.SIGKILL and time.monotonic() - begun < 30
    with pytest.raises(EngineError, match="interrupted"):
        compile_apart(JOB, None, cancelled)
    assert len(started) == 1, "what was stopped before is not begun"


def test_ctrl_c_stops_the_worker(working):
    started = working("progress(0.5)\ntime.sleep(60)")
    with pytest.raises(KeyboardInterrupt):
        compile_apart(JOB, lambda share: _thread.interrupt_main())
    assert started[0].poll() == -signal.SIGKILL


def test_a_worker_ends_with_its_parent(working):
    """A node that is killed leaves no builder on its GPU: the worker's standard input ends."""
    started, left = working("progress(0.5)\ntime.sleep(60)"), []

    def end_of_the_parent(share):
        started[0].stdin.close()
        left.append(share)

    with pytest.raises(EngineError, match="ended with code 3"):
        compile_apart(JOB, end_of_the_parent)
    assert left == [0.5]


def test_where_memory_runs_out_the_worker_goes_first(working):
    if not os.path.exists("/proc/self/oom_score_adj"):
        pytest.skip("no /proc/self/oom_score_adj here")
    working("return Path('/proc/self/oom_score_adj').read_bytes(), {}")
    assert int(compile_apart(JOB)[0]) == 1000
