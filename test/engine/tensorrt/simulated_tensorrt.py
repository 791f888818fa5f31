"""TensorRT in software, on the simulated GPU: what its bindings ask for, and give where
something is wrong.
"""

import types

import numpy as np

from .simulated_gpu import ILLEGAL_ADDRESS


class TensorRT:
    """The library: engines of one network, a function of arrays by name.

    inputs, outputs: name -> (shape, dtype). broken: "runtime", "foreign", "memory", "execute" or
    "capture" fails. meanwhile: called while a frame is put on its stream, as by another thread.
    """

    def __init__(self, gpu, inputs, outputs, network):
        self.gpu, self.inputs, self.outputs, self.network = gpu, inputs, outputs, network
        self.broken, self.words, self.meanwhile = "", "", lambda: None

    def load(self, content):
        """Inputs, outputs and network of an engine file."""
        return self.inputs, self.outputs, self.network

    def module(self, name="tensorrt"):
        library = self

        class ILogger:
            ERROR = 1

        class Builder:
            """That it is there says that this is no stub."""

        class Runtime:
            def __init__(self, log):
                assert isinstance(log, ILogger)
                self.log = log
                if library.broken == "runtime":
                    raise TypeError("pybind11::init(): factory function returned nullptr")

            def deserialize_cuda_engine(self, content):
                assert isinstance(content, bytes)
                if library.broken == "foreign":
                    self.log.log(
                        1, library.words or "expecting compute 8.7 got compute 8.6, please rebuild."
                    )
                    return None
                return _Engine(library, self.log, content)

        parts = {"ILogger": ILogger, "Runtime": Runtime, "Builder": Builder}
        return types.SimpleNamespace(**parts, __name__="tensorrt", __version__="10.3.0")


class _Engine:
    def __init__(self, library, log, content=b""):
        self.library, self.log = library, log
        self.inputs, outputs, self.network = library.load(content)
        self.tensors = self.inputs | outputs
        self.num_io_tensors, self.get_tensor_name = (
            len(self.tensors),
            list(self.tensors).__getitem__,
        )

    def get_tensor_shape(self, name):
        return self.tensors[name][0]

    def get_tensor_dtype(self, name):
        return {"float32": "DataType.FLOAT", "uint8": "DataType.UINT8"}[self.tensors[name][1]]

    def create_execution_context(self):
        return None if self.library.broken == "memory" else _Execution(self)


class _Execution:
    def __init__(self, engine):
        self.engine, self.addresses, self.warm = engine, {}, False

    def set_tensor_address(self, name, address):
        assert type(address) is int
        if name in self.engine.tensors and address % 256 == 0:
            self.addresses[name] = address
        return name in self.engine.tensors and address % 256 == 0

    def execute_async_v3(self, handle):
        library, missing = self.engine.library, set(self.engine.tensors) - set(self.addresses)
        stream = library.gpu.streams[handle]
        library.meanwhile()
        if stream.capture is not None and (not self.warm or library.broken == "capture"):
            stream.spoilt = True  # the first run loads kernels, which allocates
            missing = missing or {"warm-up"}
        if missing or library.broken == "execute":
            self.engine.log.log(
                1, f"enqueueV3: Neither address or allocator is set for {missing or 'output'}"
            )
            return False
        self.warm = True
        return library.gpu.put(handle, self._kernel) == 0

    def _kernel(self):
        gpu, arrays = self.engine.library.gpu, {}
        for name, (shape, kind) in self.engine.inputs.items():
            there = gpu.bytes_at(
                self.addresses[name], int(np.prod(shape)) * np.dtype(kind).itemsize
            )
            if there is None:
                return ILLEGAL_ADDRESS
            arrays[name] = there.view(kind).reshape(shape).copy()
        for name, value in self.engine.network(arrays).items():
            there = gpu.bytes_at(self.addresses[name], value.nbytes)
            if there is None:
                return ILLEGAL_ADDRESS
            there[:] = np.ascontiguousarray(value).view(np.uint8).reshape(-1)
        return 0
