"""Code that reads once: how densely statements are packed, measured room by room."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Per 1000 lines of a room
MOST_TUPLE_ASSIGNMENTS = 10
MOST_CONDITIONAL_EXPRESSIONS = 12
# Rooms that are denser than that today. Only ever shorter: a room that is unpacked must go.
DENSE = {
    "depth_ros/doctor",
    "depth_ros/evaluation",
    "depth_ros/recordings",
    "depth_ros/synthetic",
    "train/data",
    "train/objective",
}


def rooms() -> dict[str, list[Path]]:
    """The files of every room; those beside the rooms of a package are a room of their own."""
    found: dict[str, list[Path]] = {}
    for package in ("depth_ros", "train"):
        for path in sorted((ROOT / package).rglob("*.py")):
            room = "/".join(path.relative_to(ROOT).parts[:2])
            found.setdefault(package if room.endswith(".py") else room, []).append(path)
    return found


def density(files: list[Path]) -> tuple[float, float]:
    """Tuple assignments (a, b = x, y) and conditional expressions, each per 1000 lines."""
    lines = 0
    assignments = 0
    conditionals = 0
    for path in files:
        text = path.read_text()
        lines += len(text.splitlines())
        for node in ast.walk(ast.parse(text)):
            assignments += isinstance(node, ast.Assign) and is_unrelated(node)
            conditionals += isinstance(node, ast.IfExp)
    return 1000 * assignments / lines, 1000 * conditionals / lines


def is_unrelated(node: ast.Assign) -> bool:
    """Whether several values are assigned in one statement; unpacking one call's pair is not."""
    is_tuple = any(isinstance(target, ast.Tuple) for target in node.targets)
    return is_tuple and isinstance(node.value, ast.Tuple)


@pytest.mark.parametrize("room, files", rooms().items(), ids=list(rooms()))
def test_a_room_is_not_packed_densely(room, files):
    assignments, conditionals = density(files)
    meets = assignments <= MOST_TUPLE_ASSIGNMENTS and conditionals <= MOST_CONDITIONAL_EXPRESSIONS
    measured = f"{room}: {assignments:.1f} tuple assignments, {conditionals:.1f} conditionals"
    if room in DENSE:
        assert not meets, f"{measured} per 1000 lines: unpacked, take it out of DENSE"
    else:
        assert meets, f"{measured} per 1000 lines"


def test_dense_rooms_exist():
    assert DENSE <= set(rooms())


def test_the_measure_counts_what_it_names(tmp_path):
    path = tmp_path / "dense.py"
    path.write_text("a, b = 1, 2\nc = a if a else b\nd, e = divmod(7, 2)\nf = (a, b)\n")
    assert density([path]) == (250.0, 250.0)


@pytest.mark.parametrize("folder", ["depth_ros", "train", "test", "experiments", "examples"])
def test_the_formatter_formats_everything(folder):
    marker = "# fmt: " + "skip"
    assert not [path for path in (ROOT / folder).rglob("*.py") if marker in path.read_text()]
    marker = "# fmt: " + "off"
    assert not [path for path in (ROOT / folder).rglob("*.py") if marker in path.read_text()]
