"""What differs between TensorRT 8.6, 10 and 11, after their bindings: attributes that one lacks
are lacking here.
"""

import enum
import types

import pytest

from depth_ros.engine.tensorrt.api import BuildOptions, compile_network

DataType = enum.Enum("DataType", ["FLOAT", "HALF", "INT32", "BOOL", "UINT8"])
LayerType = enum.Enum(
    "LayerType", ["CONVOLUTION", "ELEMENTWISE", "CONSTANT", "CAST", "SHAPE", "SHUFFLE"]
)


class Layer:
    """name: of the layer, which is also that of its output."""

    __slots__ = ("name", "type", "precision", "outputs", "output_types", "num_outputs")

    def __init__(self, kind, dtype, name, shape_tensor=False):
        self.name, self.type, self.num_outputs, self.output_types = name, kind, 1, {}
        self.outputs = [
            types.SimpleNamespace(
                name=name, dtype=dtype, shape=(1, 8), is_shape_tensor=shape_tensor
            )
        ]

    def get_output(self, index):
        return self.outputs[index]

    def set_output_type(self, index, dtype):
        self.output_types[index] = dtype


def layers():
    return [
        Layer(LayerType.CONVOLUTION, DataType.HALF, "network"),
        Layer(LayerType.CAST, DataType.FLOAT, "cast"),
        Layer(LayerType.CONSTANT, DataType.FLOAT, "weights"),
        Layer(LayerType.ELEMENTWISE, DataType.BOOL, "less"),
        Layer(LayerType.SHUFFLE, DataType.FLOAT, "sizes", shape_tensor=True),
        Layer(LayerType.ELEMENTWISE, DataType.FLOAT, "metres"),
    ]


def library(version):
    """The builder's half of a version's bindings; .seen holds what was asked of it."""
    major, seen = (
        int(version.split(".")[0]),
        types.SimpleNamespace(flags=set(), cleared=set(), layers=layers()),
    )
    creation = {"EXPLICIT_BATCH": 0, "STRONGLY_TYPED": 1}
    creation.pop({8: "STRONGLY_TYPED", 11: "EXPLICIT_BATCH"}.get(major), None)
    flags = ["TF32", "PREFER_PRECISION_CONSTRAINTS", "FP16", "INT8"]

    class Logger:
        ERROR = 1

        def __init__(self, severity):
            assert severity == self.ERROR

    class Recorder:
        def __init__(self):
            pass

    class Timing:
        def __init__(self, content):
            self.content = content

        def serialize(self):
            return memoryview(self.content + b" and more")

    class Config:
        # pybind's objects take no other attributes
        __slots__ = ("progress_monitor", "timing") if major > 8 else ("timing",)

        def create_timing_cache(self, content):
            return None if content == b"damaged" else Timing(content)

        def set_timing_cache(self, cache, ignore_mismatch):
            assert not ignore_mismatch, "times of another GPU are worse than none"
            self.timing = cache
            return cache.content != b"of another GPU"

        def get_timing_cache(self):
            return self.timing

        def set_memory_pool_limit(self, pool, size):
            seen.workspace = size

        def set_flag(self, flag):
            seen.flags.add(flag.name)

        def clear_flag(self, flag):
            seen.cleared.add(flag.name)

    class Builder:
        error_recorder = None

        def __init__(self, log):
            assert isinstance(log, Logger)

        def create_network(self, flags):
            seen.strong = bool(flags & 2)
            assert flags == (1 if major == 8 else 2), (
                "8.6 takes batches as they stand only where it is asked to"
            )
            outputs = [layer.get_output(0) for layer in seen.layers[-1:]]
            return types.SimpleNamespace(
                num_layers=len(seen.layers),
                get_layer=seen.layers.__getitem__,
                num_inputs=0,
                num_outputs=1,
                get_output=outputs.__getitem__,
            )

        def create_builder_config(self):
            return Config()

        def build_serialized_network(self, network, config):
            if seen.strong and seen.flags & {"FP16", "INT8"}:
                self.error_recorder.report_error(
                    3, "kFP16 must not be set on strongly typed networks"
                )
                return None
            monitor = getattr(config, "progress_monitor", None)
            if monitor is not None:
                monitor.phase_start("Building Engine", None, 2)
                if not (
                    monitor.step_complete("Building Engine", 0)
                    and monitor.step_complete("Building Engine", 1)
                ):
                    return None
                monitor.phase_finish("Building Engine")
            return memoryview(b"engine")

    parser = types.SimpleNamespace(parse=lambda content: True)
    module = types.SimpleNamespace(
        Logger=Logger,
        IErrorRecorder=Recorder,
        Builder=Builder,
        OnnxParser=lambda network, log: parser,
        DataType=DataType,
        LayerType=LayerType,
        NetworkDefinitionCreationFlag=enum.IntEnum("Creation", creation),
        BuilderFlag=enum.Enum("BuilderFlag", flags[: 1 if major == 11 else 4]),
        MemoryPoolType=types.SimpleNamespace(WORKSPACE=0),
        seen=seen,
        __name__="tensorrt",
    )
    if major > 8:
        module.IProgressMonitor = type("IProgressMonitor", (), {"__init__": lambda self: None})
    return module


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("version", ["8.6.1", "10.3.0", "11.1.0"])
def test_every_version_builds_every_precision(version, precision):
    trt, shares = library(version), []
    content, tensors = compile_network(
        trt, b"graph", precision, "", BuildOptions(64), shares.append
    )
    assert (content, tensors) == (
        b"engine",
        {"metres": ((1, 8), "float")},
    ) and trt.seen.workspace == 64 << 20
    assert ("TF32" in trt.seen.cleared) == (precision == "fp32")
    weak = version.startswith("8")
    assert shares == ([] if weak else [0.5, 1.0]), "8.6 does not say how far it is"
    flags = {"fp32": set(), "fp16": {"FP16", "PREFER_PRECISION_CONSTRAINTS"}, "int8": {"INT8"}}[
        precision
    ]
    assert trt.seen.flags == (flags if weak else set())
    # What is float32 in the graph stays it, where the flag would let it go: colours need 24 bits.
    held = [layer.name for layer in trt.seen.layers if layer.output_types == {0: DataType.FLOAT}]
    assert held == (["metres"] if weak and precision == "fp16" else [])


@pytest.mark.parametrize(
    "known, kept",
    [
        (None, b" and more"),
        (b"times", b"times and more"),
        (b"damaged", b" and more"),
        (b"of another GPU", b" and more"),
    ],
)
def test_what_was_timed_is_kept_for_the_next_build(tmp_path, known, kept):
    file = tmp_path / "new" / "gpu.timing"
    if known is not None:
        file.parent.mkdir()
        file.write_bytes(known)
    compile_network(library("10.3.0"), b"graph", "fp16", "", BuildOptions(timing=file))
    assert file.read_bytes() == kept and list(file.parent.iterdir()) == [file]


def test_a_timing_file_that_cannot_be_written_costs_no_engine(tmp_path):
    (tmp_path / "file").write_text("")
    timing = BuildOptions(timing=tmp_path / "file" / "gpu.timing")
    assert compile_network(library("8.6.1"), b"graph", "fp16", "", timing)[0] == b"engine"
