"""Two processes that want the same engine: one builds, the other waits and finds it."""

import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from depth_ros.core.errors import EngineError
from depth_ros.engine.spec import ModelSpec
from depth_ros.engine.tensorrt import build as build_module
from depth_ros.engine.tensorrt.cache import CacheKey, EngineCache
from depth_ros.engine.tensorrt.lock import build_lock

HOLD = """
import sys, time
from pathlib import Path
from depth_ros.engine.tensorrt.lock import build_lock
with build_lock(Path(sys.argv[1]), print):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "a.lock"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_the_second_process_waits_and_is_told(tmp_path, holder):
    said, waited = [], []

    def want():
        with build_lock(tmp_path / "a.lock", said.append) as found:
            waited.append(found)

    thread = threading.Thread(target=want)
    thread.start()
    end = time.monotonic() + 10
    while not said and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(0.3)  # another look at the lock: it must not say it again
    assert waited == [] and len(said) == 1 and "another process builds for this GPU" in said[0]
    holder.kill()  # however it ends, nothing of it stays
    thread.join(10)
    assert waited == [True] and len(said) == 1


def test_waiting_can_be_stopped(tmp_path, holder):
    cancelled = threading.Event()
    cancelled.set()
    with (
        pytest.raises(EngineError, match="interrupted"),
        build_lock(tmp_path / "a.lock", lambda words: None, cancelled),
    ):
        pass


def test_alone_there_is_no_waiting(tmp_path):
    for _ in range(2):
        with build_lock(tmp_path / "new" / "a.lock", pytest.fail) as waited:
            assert not waited


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(EngineError, match="expected to write a lock file"),
        build_lock(tmp_path / "file" / "a.lock", print),
    ):
        pass


def test_what_the_other_built_is_taken(tmp_path, make_model, monkeypatch):
    """Both find nothing; while this one waits the other stores its engine, which is not built a
    second time.
    """
    spec = ModelSpec(
        "tiny", "stereo", ("left", "right"), ("disparity", "log_sigma"), 0, 0, divisor=8
    )
    shapes = {"left": (1, 3, 16, 24), "right": (1, 3, 16, 24)}
    key, cache = (
        CacheKey("ab", "tensorrt", "10.3", "Orin", "8.7", "fp16", shapes),
        EngineCache(tmp_path / "engines"),
    )
    other = replace(key, shapes={"left": (1, 3, 16, 32), "right": (1, 3, 16, 32)})
    assert build_module.lock_file(key) == build_module.lock_file(other), (
        "two builds would time each other"
    )
    monkeypatch.setattr(build_module, "import_library", lambda name: None)
    monkeypatch.setattr(build_module, "make_key", lambda *arguments: key)
    monkeypatch.setattr(
        build_module, "convert_checked", lambda *arguments: pytest.fail("built twice")
    )
    said = []
    request = build_module.Request(make_model(), (16, 24))
    thread = threading.Thread(
        target=lambda: said.append(build_module.build(request, cache, say=said.append))
    )
    with build_lock(build_module.lock_file(key), pytest.fail):
        thread.start()
        while not said:
            time.sleep(0.02)
        path = cache.store(key, spec, b"engine", conversion={"mean": 0.0})
    thread.join(10)
    assert said[1].path == path and said[1].reason == "" and said[1].parity == {"mean": 0.0}
