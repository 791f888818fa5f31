"""How an engine is to be had, as a user may ask for it: one dataclass for the node, the commands
and the estimators.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from depth_ros.core.errors import EngineError

BACKENDS = ("auto", "onnxruntime", "tensorrt", "sgbm")
PRECISIONS = ("fp16", "fp32", "int8")
CUDA_BINDINGS = ("auto", "cuda-bindings", "pycuda")
_PARAMETERS = {"waits": "wait_for_engine"}
MOST_WORKSPACE_MIB = 1 << 18


@dataclass(frozen=True)
class EngineOptions:
    """What runs a network, and how.

    Args:
        backend: "auto", "onnxruntime", "tensorrt" or "sgbm", see `engine.load.load_engine`.
        precision: of the TensorRT engine: "fp16", "fp32" or "int8". int8 is looked for, not built,
            as its ranges come from a recording: `depth-ros build --precision int8 --calibrate BAG`.
        workspace_mib: most MiB of scratch memory for TensorRT; 0: an engine built with any limit
            will do, and one that is built is built with the library's choice.
        engine: path of a TensorRT engine that `depth-ros build` left or imported; "": the cache is
            searched.
        providers: ONNX Runtime execution providers, best first, separated by commas ("cuda",
            "openvino" or full names); "": the CPU. The CPU stays the last of them.
        cuda_binding: by which package the GPU's driver is called; "auto": cuda-bindings, else
            pycuda.
        waits: no frame is answered before the engine that was asked for is ready, and all are
            answered by that one.

    Raises:
        EngineError: For a value that is out of its range, or options that contradict each other.
    """

    backend: str = "auto"
    precision: str = "fp16"
    workspace_mib: int = 0
    engine: str = ""
    providers: str = ""
    cuda_binding: str = "auto"
    waits: bool = False

    def __post_init__(self):
        _expect_choice("backend", self.backend, BACKENDS)
        _expect_choice("precision", self.precision, PRECISIONS)
        _expect_choice("cuda_binding", self.cuda_binding, CUDA_BINDINGS)
        if not 0 <= self.workspace_mib <= MOST_WORKSPACE_MIB:
            raise EngineError(
                f"workspace_mib: expected 0 to {MOST_WORKSPACE_MIB}, got {self.workspace_mib}"
            )
        if self.engine and self.backend not in ("auto", "tensorrt"):
            raise EngineError(
                f"engine: expected backend tensorrt for {self.engine}, got {self.backend!r}"
            )
        if self.providers and self.backend == "sgbm":
            raise EngineError(
                f"providers: expected a network for {self.providers}, got backend 'sgbm'"
            )

    @classmethod
    def of(cls, backend: EngineOptions | str) -> EngineOptions:
        """Return options as they are, or those of a backend's name.

        >>> EngineOptions.of("sgbm").backend
        'sgbm'
        """
        return backend if isinstance(backend, EngineOptions) else cls(backend)

    def to_parameters(self) -> dict[str, str | int]:
        """Return the node's parameters that mean the same, those that differ from the defaults.

        >>> EngineOptions("tensorrt", precision="fp32", waits=True).to_parameters()
        {'backend': 'tensorrt', 'precision': 'fp32', 'wait_for_engine': True}
        """
        defaults = EngineOptions()
        names = [
            item.name
            for item in fields(self)
            if getattr(self, item.name) != getattr(defaults, item.name)
        ]
        return {_PARAMETERS.get(name, name): _absolute(name, getattr(self, name)) for name in names}

    @property
    def provider_names(self) -> tuple[str, ...]:
        """The execution providers one by one.

        >>> EngineOptions(providers="cuda, cpu").provider_names
        ('cuda', 'cpu')
        """
        return tuple(name.strip() for name in self.providers.split(",") if name.strip())


def _absolute(name: str, value):
    """A path that holds in another folder too."""
    return str(Path(value).resolve()) if name == "engine" else value


def _expect_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise EngineError for a value that is not one of the choices."""
    if value not in choices:
        raise EngineError(f"{name}: expected one of {choices}, got {value!r}")
