"""Training state that travels: a run's checkpoint as safetensors, in files small enough for a
repository, and back.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from depth_ros.core.errors import InputError
from depth_ros.files import replacing

# name of a file -> the parts of a checkpoint in it
_FILES = {"weights": ("net",), "average": ("average",), "optimizer": ("optimizer",)}


def pack(run: Path, folder: Path) -> list[Path]:
    """Write the checkpoint of a run folder as safetensors, one file a part, and its recipe.

    Args:
        run: folder of `python -m train fit`, with checkpoint.pt and recipe.yaml.
        folder: where weights, average and optimizer .safetensors and recipe.yaml go.

    Returns:
        The files.

    Raises:
        InputError: there is no checkpoint.
    """
    source = run / "checkpoint.pt"
    if not source.is_file():
        raise InputError(f"{run}: expected a run with checkpoint.pt, got none")
    saved = torch.load(source, map_location="cpu", weights_only=True)
    folder.mkdir(parents=True, exist_ok=True)
    about = {"step": saved["step"], "spent": saved["spent"]}
    written = []
    for name, parts in _FILES.items():
        tensors: dict[str, torch.Tensor] = {}
        plain = {part: _flatten(saved[part], f"{part}/", tensors) for part in parts}
        path = folder / f"{name}.safetensors"
        with replacing(path) as part_file:
            save_file(tensors, part_file, {"state": json.dumps(plain), "about": json.dumps(about)})
        written.append(path)
    recipe = folder / "recipe.yaml"
    with replacing(recipe) as part_file:
        part_file.write_text((run / "recipe.yaml").read_text())
    return [*written, recipe]


def unpack(folder: Path, run: Path) -> Path:
    """Write the checkpoint of a packed state, from which `python -m train fit` goes on.

    Args:
        folder: what pack wrote.
        run: run folder to make; one with a checkpoint is refused.

    Returns:
        The checkpoint.

    Raises:
        InputError: a file is missing, the files are of different steps, or the run is begun.
    """
    target = run / "checkpoint.pt"
    if target.exists():
        raise InputError(f"{run}: expected no checkpoint, got one: a begun run is not overwritten")
    checkpoint: dict = {}
    for name, parts in _FILES.items():
        path = folder / f"{name}.safetensors"
        if not path.is_file():
            raise InputError(f"{folder}: expected {path.name} (python -m train pack), got none")
        with safe_open(path, "pt") as file:
            about = json.loads(file.metadata()["about"])
            plain = json.loads(file.metadata()["state"])
            if checkpoint and about["step"] != checkpoint["step"]:
                raise InputError(f"{path}: expected step {checkpoint['step']}, got {about['step']}")
            checkpoint |= about
            for part in parts:
                checkpoint[part] = _restore(plain[part], f"{part}/", file)
    run.mkdir(parents=True, exist_ok=True)
    with replacing(target) as part_file:
        torch.save(checkpoint, part_file)
    return target


def _flatten(value, name: str, tensors: dict[str, torch.Tensor]):
    """Move the tensors of nested dictionaries and lists out; what is left is JSON that names
    them.
    """
    if isinstance(value, torch.Tensor):
        tensors[name] = value.contiguous().clone()
        return {"tensor": name}
    if isinstance(value, dict):
        items = [[key, _flatten(item, f"{name}{key}/", tensors)] for key, item in value.items()]
        return {"dict": items}
    if isinstance(value, (list, tuple)):
        kind = type(value).__name__
        return {kind: [_flatten(item, f"{name}{i}/", tensors) for i, item in enumerate(value)]}
    return {"value": value}


def _restore(plain: dict, name: str, file):
    """Undo _flatten."""
    ((kind, content),) = plain.items()
    if kind == "tensor":
        return file.get_tensor(content)
    if kind == "dict":
        return {key: _restore(item, f"{name}{key}/", file) for key, item in content}
    if kind in ("list", "tuple"):
        items = [_restore(item, f"{name}{i}/", file) for i, item in enumerate(content)]
        return tuple(items) if kind == "tuple" else items
    return content
