"""The simulated GPU has teeth: what CUDA and pycuda refuse, it refuses.

Else tests on it would say nothing.
"""

import ctypes
import threading

import numpy as np
import pytest

from .simulated_gpu import BAD_HANDLE, INVALIDATED, Gpu


@pytest.fixture
def gpu():
    return Gpu()


@pytest.fixture
def context(gpu):
    found = gpu.cuda.Device(0).retain_primary_context()
    found.push()
    yield found
    found.pop()


def begin(gpu, stream):
    assert gpu.driver.cuStreamBeginCapture_v2(ctypes.c_void_p(stream.handle), 1) == 0


def end(gpu, stream):
    graph = ctypes.c_void_p()
    return gpu.driver.cuStreamEndCapture(
        ctypes.c_void_p(stream.handle), ctypes.byref(graph)
    ), graph.value


def test_without_a_context_nothing_is_made(gpu):
    for make in (
        gpu.cuda.Stream,
        lambda: gpu.cuda.mem_alloc(8),
        lambda: gpu.cuda.pagelocked_zeros(2, "float32"),
    ):
        with pytest.raises(gpu.cuda.LogicError, match="invalid device context"):
            make()
    with pytest.raises(gpu.cuda.Error, match="cannot pop"):
        gpu.cuda.Context.pop()


def test_copies_happen_at_the_end(gpu, context):
    stream, there = gpu.cuda.Stream(), gpu.cuda.mem_alloc(8)
    here, back = gpu.cuda.pagelocked_zeros(2, "float32"), gpu.cuda.pagelocked_zeros(2, "float32")
    gpu.cuda.memcpy_htod_async(there, here, stream)
    gpu.cuda.memcpy_dtoh_async(back, there, stream)
    here[:] = 5  # too early for who means the zeros
    assert np.all(back == 0)
    stream.synchronize()
    assert np.all(back == 5)


def test_freed_memory_is_a_fault_that_stays(gpu, context):
    stream, there, here = (
        gpu.cuda.Stream(),
        gpu.cuda.mem_alloc(8),
        gpu.cuda.pagelocked_zeros(2, "float32"),
    )
    gpu.cuda.memcpy_htod_async(int(there), here, stream)
    del there
    for _ in range(2):
        with pytest.raises(gpu.cuda.Error, match="illegal memory access"):
            stream.synchronize()


@pytest.mark.parametrize("what", ["mem_alloc", "synchronize", "pageable", "context"])
def test_a_capture_forbids(gpu, context, what):
    stream, there = gpu.cuda.Stream(), gpu.cuda.mem_alloc(8)
    calls = {
        "mem_alloc": lambda: gpu.cuda.mem_alloc(8),
        "synchronize": stream.synchronize,
        "pageable": lambda: gpu.cuda.memcpy_htod_async(there, np.zeros(2, np.float32), stream),
        "context": gpu.cuda.Context.synchronize,
    }
    calls[what]()
    begin(gpu, stream)
    with pytest.raises(gpu.cuda.Error, match="not permitted when stream is capturing"):
        calls[what]()
    assert end(gpu, stream) == (INVALIDATED, None)
    calls[what]()


def test_the_default_stream_of_others_spoils_blocking_streams_only(gpu, context):
    for flags, code in ((0, INVALIDATED), (1, 0)):
        stream = gpu.cuda.Stream(flags)
        begin(gpu, stream)
        gpu.default_stream_work()
        assert end(gpu, stream)[0] == code


def test_what_another_thread_drops_is_lost(gpu, context):
    kept = [gpu.cuda.mem_alloc(8)]
    thread = threading.Thread(target=kept.clear)
    thread.start()
    thread.join()
    assert gpu.leaks == ["DeviceAllocation"] and len(gpu.memory) == 1


def test_a_graph_that_was_destroyed(gpu, context):
    stream = gpu.cuda.Stream()
    assert (
        gpu.driver.cuGraphLaunch(ctypes.c_void_p(77), ctypes.c_void_p(stream.handle)) == BAD_HANDLE
    )
