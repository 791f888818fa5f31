"""A GPU in software that keeps the rules of CUDA, its bindings and TensorRT: what breaks them fails
as it would there.

Work on a stream waits until the stream is synchronised, and reads memory then. Contexts are current
in a thread or not; pycuda keeps a stack of its own for each thread, and frees only in the thread
that made a context or where it is current. A stream that is captured runs nothing, and forbids what
allocates or waits. A fault of the GPU stays. cuda-bindings keeps no stack and frees nothing by
itself: what is not freed by hand stays. Written after pycuda's cuda.hpp (2026.1), the driver's
reference and TensorRT's bindings (8.6 to 11.1).
"""

import collections
import ctypes
import threading
import types

import numpy as np

INVALID, NO_MEMORY, NO_CONTEXT, BAD_HANDLE, ILLEGAL_ADDRESS = 1, 2, 201, 400, 700
UNSUPPORTED, INVALIDATED, IMPLICIT = 900, 901, 906  # of a capture
WORDS = {
    INVALID: "invalid argument",
    NO_MEMORY: "out of memory",
    NO_CONTEXT: "invalid device context",
    BAD_HANDLE: "invalid resource handle",
    ILLEGAL_ADDRESS: "an illegal memory access was encountered",
    719: "unspecified launch failure",
    UNSUPPORTED: "operation not permitted when stream is capturing",
    INVALIDATED: "operation failed due to a previous error during capture",
    IMPLICIT: "operation would make the legacy stream depend on a capturing blocking stream",
}
PRIMARY = "the primary context"


class Gpu:
    """State of the driver: memory is arrays of bytes by address, a stream a queue of calls.

    room: bytes of device memory. fault: code that the next work gives. forbidden: names that
    libcuda lacks.
    """

    def __init__(self, room=1 << 30):
        self.room, self.fault, self.forbidden, self.leaks = room, 0, (), []
        self.memory, self.pinned, self.streams, self.graphs, self.executables = {}, {}, {}, {}, {}
        self.current = collections.defaultdict(list)  # thread -> the driver's stack of contexts
        self.stacks = collections.defaultdict(list)  # thread -> pycuda's stack
        self._handles = iter(range(0x1000, 1 << 30, 256))
        self.retained = 0
        self.contents = {}
        self.name, self.integrated, self.driver_version, self.multiprocessors = (
            b"Simulated",
            0,
            13000,
            16,
        )
        self.total_bytes = 8 << 30
        self.cuda, self.driver, self.bindings = _pycuda(self), _Libcuda(self), _Bindings(self)

    def handle(self):
        return next(self._handles)

    def used(self):
        """Everything that is held, by kind; all zeros once nothing is."""
        held = {
            n: len(getattr(self, n))
            for n in ("memory", "pinned", "streams", "graphs", "executables", "leaks")
        }
        return held | {"retained": self.retained}

    def capturing(self, thread=None):
        """The streams in capture, of one thread or of all."""
        return [
            s for s in self.streams.values() if s.capture is not None and thread in (None, s.thread)
        ]

    def unsafe(self):
        """What allocates or waits: the thread that captures may not, and spoils its capture.

        Returns a code.
        """
        found = self.capturing(threading.get_ident())
        for stream in found:
            stream.spoilt = True
        return UNSUPPORTED if found else self.ready()

    def ready(self):
        return (
            0
            if self.fault == 0 and self.current[threading.get_ident()]
            else self.fault or NO_CONTEXT
        )

    def default_stream_work(self):
        """What a builder in another thread does: work on the default stream, which blocking
        streams wait for.
        """
        blocking = [stream for stream in self.capturing() if not stream.flags & 1]
        for stream in blocking:
            stream.spoilt = True
        return IMPLICIT if blocking else 0

    def put(self, handle, work):
        """Put a call on a stream; returns a code."""
        if handle not in self.streams:
            return BAD_HANDLE
        stream = self.streams[handle]
        (stream.queue if stream.capture is None else stream.capture).append(work)
        return self.ready()

    def wait(self, handle):
        if handle not in self.streams:
            return BAD_HANDLE
        stream = self.streams[handle]
        if stream.capture is not None:
            stream.spoilt = True
            return UNSUPPORTED
        if self.ready():
            return self.ready()
        work, stream.queue = stream.queue, []
        for call in work:
            code = call()
            self.fault = self.fault or code or 0
        return self.fault

    def bytes_at(self, address, size):
        """Device memory; None where nothing of that size lies there."""
        held = self.memory.get(address)
        return held[:size] if held is not None and len(held) >= size else None


class _Libcuda:
    """libcuda.so.1 as ctypes shows it: codes, never exceptions."""

    def __init__(self, gpu):
        self._gpu = gpu

    def __getattribute__(self, name):
        if not name.startswith("_") and name in self._gpu.forbidden:
            raise AttributeError(f"undefined symbol: {name}")
        return object.__getattribute__(self, name)

    def cuGetErrorString(self, code, words):
        words._obj.value = WORDS.get(code, "unknown").encode()
        return 0

    def cuInit(self, flags):
        return 0

    def cuDeviceGet(self, device, index):
        device._obj.value = index
        return 0

    def cuDeviceGetName(self, name, size, device):
        name.value = self._gpu.name
        return 0

    def cuDriverGetVersion(self, version):
        version._obj.value = self._gpu.driver_version
        return 0

    def cuDeviceTotalMem_v2(self, size, device):
        size._obj.value = self._gpu.total_bytes
        return 0

    def cuDeviceGetAttribute(self, value, attribute, device):
        gpu = self._gpu
        value._obj.value = {16: gpu.multiprocessors, 18: gpu.integrated, 75: 8, 76: 7}[attribute]
        return 0

    def cuStreamBeginCapture_v2(self, stream, mode):
        found = self._gpu.streams.get(stream.value)
        if found is None or found.capture is not None:
            return BAD_HANDLE if found is None else UNSUPPORTED
        found.capture, found.spoilt, found.thread = [], False, threading.get_ident()
        return self._gpu.ready()

    def cuStreamEndCapture(self, stream, graph):
        found = self._gpu.streams[stream.value]
        if found.capture is None or found.thread != threading.get_ident():
            return INVALID
        work, found.capture = found.capture, None
        if found.spoilt:
            graph._obj.value = None
            return INVALIDATED
        graph._obj.value = self._gpu.handle()
        self._gpu.graphs[graph._obj.value] = work
        return 0

    def cuGraphInstantiateWithFlags(self, executable, graph, flags):
        assert isinstance(flags, ctypes.c_ulonglong), "an int would be passed as 32 bits"
        executable._obj.value = self._gpu.handle()
        self._gpu.executables[executable._obj.value] = list(self._gpu.graphs[graph.value])
        return self._gpu.unsafe()

    def cuGraphDestroy(self, graph):
        return 0 if self._gpu.graphs.pop(graph.value, None) is not None else BAD_HANDLE

    def cuGraphExecDestroy(self, executable):
        return 0 if self._gpu.executables.pop(executable.value, None) is not None else BAD_HANDLE

    def cuGraphLaunch(self, executable, stream):
        if executable.value not in self._gpu.executables:
            return BAD_HANDLE
        codes = [
            self._gpu.put(stream.value, work) for work in self._gpu.executables[executable.value]
        ]
        return max(codes)


class _Code(int):
    """A result of the driver as cuda-bindings gives it: an enumeration that is a number too."""


class _Bindings:
    """cuda.bindings.driver: a tuple of code and values from every call; handles are freed by
    calls alone.
    """

    def __init__(self, gpu):
        self._gpu = gpu

    def cuInit(self, flags):
        return (_Code(0),)

    def cuDeviceGetCount(self):
        return _Code(0), 1

    def cuDeviceGet(self, ordinal):
        return _Code(0), ordinal

    def cuGetErrorString(self, code):
        return _Code(0), WORDS.get(int(code), "unknown").encode()

    def cuDevicePrimaryCtxRetain(self, device):
        if not self._gpu.room:
            return _Code(NO_MEMORY), None
        self._gpu.retained += 1
        return _Code(0), PRIMARY

    def cuDevicePrimaryCtxRelease(self, device):
        self._gpu.retained -= 1
        return (_Code(0),)

    def cuCtxPushCurrent(self, context):
        self._gpu.current[threading.get_ident()].append(context)
        return (_Code(0),)

    def cuCtxPopCurrent(self):
        stack = self._gpu.current[threading.get_ident()]
        return (_Code(0), stack.pop()) if stack else (_Code(NO_CONTEXT), None)

    def cuCtxSynchronize(self):
        code = self._gpu.unsafe()
        for handle in self._gpu.streams:
            code = code or self._gpu.wait(handle)
        return (_Code(code),)

    def cuStreamCreate(self, flags):
        if code := self._gpu.unsafe():
            return _Code(code), None
        handle = self._gpu.handle()
        self._gpu.streams[handle] = types.SimpleNamespace(flags=flags, queue=[], capture=None)
        return _Code(0), handle

    def cuStreamSynchronize(self, stream):
        return (_Code(self._gpu.wait(stream)),)

    def cuStreamDestroy(self, stream):
        return (_Code(self._freed(self._gpu.streams, stream)),)

    def cuMemAlloc(self, size):
        gpu = self._gpu
        code = gpu.unsafe() or (
            NO_MEMORY if sum(map(len, gpu.memory.values())) + size > gpu.room else 0
        )
        if code:
            return _Code(code), None
        handle = gpu.handle()
        gpu.memory[handle] = np.full(size, 0xA5, np.uint8)  # whatever was there before
        return _Code(0), handle

    def cuMemFree(self, address):
        return (_Code(self._freed(self._gpu.memory, address)),)

    def cuMemHostAlloc(self, size, flags):
        if code := self._gpu.unsafe():
            return _Code(code), None
        content = (ctypes.c_char * size)()
        address = ctypes.addressof(content)
        self._gpu.pinned[address] = size
        self._gpu.contents[address] = content
        return _Code(0), address

    def cuMemFreeHost(self, address):
        self._gpu.contents.pop(address, None)
        return (_Code(self._freed(self._gpu.pinned, address)),)

    def cuMemcpyHtoDAsync(self, there, here, size, stream):
        return self._copied(
            there, here, size, stream, lambda device, host: device.__setitem__(slice(None), host)
        )

    def cuMemcpyDtoHAsync(self, here, there, size, stream):
        return self._copied(
            there, here, size, stream, lambda device, host: host.__setitem__(slice(None), device)
        )

    def _freed(self, kept, handle):
        """Free something; without a current context, or twice, nothing is."""
        if code := self._gpu.unsafe():
            return code
        return 0 if kept.pop(handle, None) is not None else INVALID

    def _copied(self, there, here, size, stream, work):
        """Put a copy on a stream; of memory that is not pinned no capture takes one."""
        gpu = self._gpu
        if here not in gpu.pinned and gpu.streams[stream].capture is not None:
            gpu.streams[stream].spoilt = True
            return (_Code(UNSUPPORTED),)
        host = np.ndarray(size, np.uint8, (ctypes.c_char * size).from_address(here))

        def run():
            device = gpu.bytes_at(there, size)
            return ILLEGAL_ADDRESS if device is None else work(device, host)

        return (_Code(gpu.put(stream, run)),)


def _pycuda(gpu):
    """pycuda.driver: the same, as exceptions and objects that free themselves."""

    class Error(Exception):
        pass

    kinds = {
        name: type(name, (Error,), {})
        for name in ("MemoryError", "LogicError", "LaunchError", "RuntimeError")
    }

    def check(code, call):
        if code:
            kind = {NO_MEMORY: "MemoryError", 719: "LaunchError"}.get(code, "LogicError")
            raise kinds[kind](f"{call} failed: {WORDS.get(code, code)}")

    def here():
        return threading.get_ident()

    class Context:
        def __init__(self):
            self.thread, self.valid = here(), False
            check(0 if gpu.room else NO_MEMORY, "cuDevicePrimaryCtxRetain")
            self.valid = True
            gpu.retained += 1

        def detach(self):
            if not self.valid:
                raise kinds["LogicError"]("context::detach failed: invalid device context")
            self.valid = False
            gpu.retained -= 1
            if self.thread == here():  # pycuda pushes it to release it, and does not pop it again
                gpu.current[here()].append(PRIMARY)

        def __del__(self):
            if (
                self.valid
            ):  # pycuda then calls what no primary context takes, and says so on the terminal
                gpu.leaks.append("Context")

        def push(self):
            if gpu.stacks[here()]:
                gpu.current[here()].pop()
            gpu.current[here()].append(PRIMARY)
            gpu.stacks[here()].append(self)

        @staticmethod
        def pop():
            if not gpu.stacks[here()]:
                raise kinds["LogicError"](
                    "context::pop failed: invalid device context - cannot pop"
                )
            gpu.current[here()].pop()
            gpu.stacks[here()].pop()
            if gpu.stacks[here()]:
                gpu.current[here()].append(PRIMARY)

        @staticmethod
        def synchronize():
            check(gpu.unsafe(), "cuCtxSynchronize")
            for handle in gpu.streams:
                check(gpu.wait(handle), "cuCtxSynchronize")

    class Owned:
        """Something that belongs to the context in which it was made."""

        def __init__(self):
            if not gpu.stacks[here()]:
                raise kinds["LogicError"](
                    "explicit_context_dependent failed: invalid device context"
                )
            self.context = gpu.stacks[here()][-1]

        def __del__(self):
            if not hasattr(self, "handle"):
                return
            stack = gpu.stacks[here()]
            if (
                not self.context.valid
            ):  # pycuda takes it for freed with its context, which others may well keep
                return
            if self.context.thread != here() and not (stack and stack[-1] is self.context):
                gpu.leaks.append(
                    type(self).__name__
                )  # "in out-of-thread context could not be cleaned up"
                return
            code = gpu.capturing(here()) and gpu.unsafe()
            if not code:
                self.release()

    class Stream(Owned):
        def __init__(self, flags=0):
            super().__init__()
            check(gpu.unsafe(), "cuStreamCreate")
            self.handle = gpu.handle()
            gpu.streams[self.handle] = types.SimpleNamespace(flags=flags, queue=[], capture=None)

        def synchronize(self):
            check(gpu.wait(self.handle), "cuStreamSynchronize")

        def release(self):
            del gpu.streams[self.handle]

    class DeviceAllocation(Owned):
        def __init__(self, size):
            super().__init__()
            check(gpu.unsafe(), "cuMemAlloc")
            check(
                NO_MEMORY if sum(map(len, gpu.memory.values())) + size > gpu.room else 0,
                "cuMemAlloc",
            )
            self.handle = gpu.handle()
            gpu.memory[self.handle] = np.full(size, 0xA5, np.uint8)  # whatever was there before

        def __int__(self):
            return self.handle

        def release(self):
            del gpu.memory[self.handle]

    class PagelockedHostAllocation(Owned):
        def __init__(self, size):
            super().__init__()
            check(gpu.unsafe(), "cuMemHostAlloc")
            self.content = (ctypes.c_char * size)()
            self.handle = ctypes.addressof(self.content)
            gpu.pinned[self.handle] = size
            self.__array_interface__ = {
                "data": (self.handle, False),
                "shape": (size,),
                "typestr": "|u1",
                "version": 3,
            }

        def release(self):
            del gpu.pinned[self.handle]

    def pagelocked_zeros(shape, dtype):
        dtype = np.dtype(dtype)
        return (
            np.asarray(PagelockedHostAllocation(int(np.prod(shape)) * dtype.itemsize))
            .view(dtype)
            .reshape(shape)
        )

    def copied(call, array, address, stream, work):
        """Put a copy on a stream; of memory that is not pinned no capture takes one."""
        if not array.flags.c_contiguous:
            raise ValueError("ndarray is not contiguous")
        if array.__array_interface__["data"][0] not in gpu.pinned:
            if gpu.streams[stream.handle].capture is not None:
                gpu.streams[stream.handle].spoilt = True
                check(UNSUPPORTED, call)
        bare = np.ndarray(
            array.shape, array.dtype, (ctypes.c_char * array.nbytes).from_address(array.ctypes.data)
        )

        def run():
            there = gpu.bytes_at(
                int(address) if isinstance(address, int) else address.handle, array.nbytes
            )
            return (
                ILLEGAL_ADDRESS if there is None else work(there, bare.view(np.uint8).reshape(-1))
            )

        check(gpu.put(stream.handle, run), call)

    def memcpy_htod_async(dest, src, stream=None):
        copied(
            "cuMemcpyHtoDAsync",
            src,
            dest,
            stream,
            lambda there, here: there.__setitem__(slice(None), here),
        )

    def memcpy_dtoh_async(dest, src, stream=None):
        copied(
            "cuMemcpyDtoHAsync",
            dest,
            src,
            stream,
            lambda there, here: here.__setitem__(slice(None), there),
        )

    Device = type(
        "Device",
        (),
        {
            "__init__": lambda self, index: None,
            "count": staticmethod(lambda: 1),
            "retain_primary_context": lambda self: Context(),
        },
    )
    return types.SimpleNamespace(
        Error=Error,
        **kinds,
        Context=Context,
        Device=Device,
        Stream=Stream,
        init=lambda: None,
        mem_alloc=DeviceAllocation,
        pagelocked_zeros=pagelocked_zeros,
        memcpy_htod_async=memcpy_htod_async,
        memcpy_dtoh_async=memcpy_dtoh_async,
    )
