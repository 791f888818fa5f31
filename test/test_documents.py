"""What the documents say can be done can be done: commands, links, and the messages that
troubleshooting explains.
"""

import ast
import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from depth_ros import __version__
from depth_ros.cli import main as cli

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "models").glob("*.md")),
]
NEEDS = {"robot", "GPU", "data", "time", "network"}
# Run by a test of their own, or by whoever reads this: the line's start, and the file that runs it
ELSEWHERE = {
    "make demo": "test/cli/test_demo.py",
    "make test": "Makefile",
    "make docs": "Makefile",
    "make types": "Makefile",
    "make setup": "Makefile",
    "make setup-dev": "Makefile",
    "depth-ros evaluate BAG --replay": "test/nodes/replay/test_replay.py",
    "python -m pytest": "setup.cfg",
    "python -m ruff": "ruff.toml",
}


def blocks(path):
    """Give (first line, what the block needs or "", lines without comments) of each fenced sh
    block.
    """
    found, lines = [], path.read_text().splitlines()
    for i, line in enumerate(lines):
        if not re.fullmatch(r"```(sh|bash)", line.strip()):
            continue
        end = next(j for j in range(i + 1, len(lines)) if lines[j].strip() == "```")
        marker = re.fullmatch(r"<!-- needs: (\w+) -->", lines[i - 1].strip()) if i else None
        commands = [shlex.join(shlex.split(text, comments=True)) for text in lines[i + 1 : end]]
        found.append((i + 1, marker.group(1) if marker else "", [c for c in commands if c]))
    return found


def commands(needy=None):
    """Give (place, needs, command) of every line; needy: only those that need nothing (False) or
    something (True).
    """
    for path in DOCUMENTS:
        for number, needs, lines in blocks(path):
            for line in lines:
                for part in re.split(r" '?&&'? ", line):
                    if needy is None or bool(needs) == needy:
                        yield f"{path.relative_to(ROOT)}:{number}", needs, shlex.split(part)


def name(value):
    return " ".join(value) if isinstance(value, list) else value


def of(program, needy=None):
    return [
        (place, words[len(program) :])
        for place, _, words in commands(needy)
        if words[: len(program)] == program
    ]


CHEAP = [
    (place, words)
    for place, words in of(["depth-ros"], needy=False)
    if words[0] in ("evaluate", "run", "doctor", "info") and "--replay" not in words
]


def parsed(group, words):
    """Parse a command line without running it; raises click's own errors."""
    command = group.commands[words[0]]
    context = click.Context(command, info_name=words[0])
    command.parse_args(context, list(words[1:]))
    return context.params


def test_markers_say_what_is_needed():
    assert {needs for path in DOCUMENTS for _, needs, _ in blocks(path)} <= NEEDS | {""}


def test_every_line_is_run_here_or_marked():
    unknown = [
        (place, " ".join(words))
        for place, _, words in commands(needy=False)
        if words[1:] not in [words for _, words in CHEAP]
        and not any(
            " ".join(words).startswith(start) and (ROOT / file).exists()
            for start, file in ELSEWHERE.items()
        )
    ]
    assert not unknown, (
        "put <!-- needs: robot|GPU|data|time|network --> above the block, or test the line"
    )


@pytest.mark.parametrize("place, words", of(["depth-ros"]), ids=name)
def test_options_of_depth_ros_exist(place, words):
    parsed(cli.main, words)


@pytest.mark.parametrize("place, words", of(["python", "-m", "train"]), ids=name)
def test_options_of_training_exist(place, words):
    from train.__main__ import main

    made = {
        "runs/ms": "README.md",
        "BAG": "README.md",
    }  # paths that must exist: any file will do for the parser
    words = [
        "README.md" if word in made or word.startswith(("runs/", "../shared")) else word
        for word in words
    ]
    parsed(main, words)


@pytest.mark.parametrize(
    "place, words",
    [pair for pair in of(["python"]) if pair[1][0].startswith("experiments/")],
    ids=name,
)
def test_benches_exist_with_their_options(place, words):
    text = (ROOT / words[0]).read_text()
    assert all(word in text for word in words[1:] if word.startswith("--"))


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with what the documents call INPUT, BAG and models/, so that their lines run as
    they stand.
    """
    import cv2
    import numpy as np

    folder = tmp_path_factory.mktemp("documents")
    rng = np.random.default_rng(0)
    left = cv2.resize(rng.integers(0, 255, (28, 48, 3), np.uint8), (96, 56))
    scene = folder / "INPUT" / "Room"
    scene.mkdir(parents=True)
    for i, image in enumerate((left, np.roll(left, -12, axis=1))):
        cv2.imwrite(str(scene / f"im{i}.png"), image)
    lines = (
        "cam0=[80 0 44.25; 0 84 30.5; 0 0 1]",
        "baseline=210",
        "width=96",
        "height=56",
        "ndisp=32",
        "doffs=0",
    )
    (scene / "calib.txt").write_text("\n".join(lines))
    (folder / "BAG").symlink_to(folder / "INPUT")
    (folder / "models").symlink_to(ROOT / "models")
    (folder / "MODEL").symlink_to(ROOT / "models/stereo.onnx")
    return folder


DIFFERENT = [list(words) for words in dict.fromkeys(tuple(words) for _, words in CHEAP)]


@pytest.mark.parametrize("words", DIFFERENT, ids=name)
def test_lines_run_as_they_stand(words, workplace, monkeypatch):
    """--replay needs DDS and is run by test/nodes/replay/test_replay.py."""
    monkeypatch.chdir(workplace)
    missing = [
        word
        for word in words[1:]
        if word.isupper() and not (workplace / word).exists() and word != "DIR"
    ]
    assert not missing, f"{missing} is no name that the reader could know"
    result = CliRunner().invoke(cli.main, words)
    expected = (0, 1) if words[0] == "doctor" else (0,)
    assert result.exit_code in expected, result.output


def test_launch_lines_start(monkeypatch, tmp_path):
    """ros2 launch depth_ros FILE arguments: against the stand-in of launch, whatever block they
    stand in.
    """
    import sys

    sys.path.insert(0, str(ROOT / "test/launch"))
    import ros_launch

    lines = of(["ros2", "launch", "depth_ros"])
    assert len(lines) > 8
    (tmp_path / "config").symlink_to(ROOT / "config")
    (tmp_path / "my.yaml").write_text("")
    for place, (file, *arguments) in lines:
        if arguments == ["--show-args"]:
            continue
        description = ros_launch.load(monkeypatch, file)
        given = dict(argument.split(":=", 1) for argument in arguments)
        assert set(given) <= {argument.name for argument in ros_launch.declared(description)}, place
        monkeypatch.chdir(tmp_path)
        assert ros_launch.run(description, given)[0]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file) if file else path
        assert there.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", there.read_text(), re.M)
            assert anchor in {
                re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles
            }, target


def test_every_document_is_in_the_index():
    index = (ROOT / "docs/index.md").read_text()
    assert (
        not {path.name for path in (ROOT / "docs").glob("*.md")}
        - {"index.md"}
        - set(re.findall(r"\w+\.md", index))
    )


def sentences(path):
    """Give the longest literal piece of each sentence that a source file holds, docstrings
    apart.
    """
    tree = ast.parse((ROOT / path).read_text())
    bodies = (
        node.body
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef))
    )
    skipped = {id(body[0].value) for body in bodies if body and isinstance(body[0], ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(value) for value in node.values}
            yield max(
                (value.value for value in node.values if isinstance(value, ast.Constant)),
                key=len,
                default="",
            )
    yield from (
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in skipped
    )


FINDERS = [
    path
    for path in sorted(ROOT.glob("depth_ros/**/*.py"))
    if re.search(r"(Finding|Fault)\(", path.read_text())
]
SPEAKERS = [
    "depth_ros/nodes/health/watchdog.py",
    *(str(path.relative_to(ROOT)) for path in FINDERS),
]


@pytest.mark.parametrize("path", SPEAKERS)
def test_troubleshooting_explains_every_message(path):
    text = (ROOT / "docs/troubleshooting.md").read_text()
    wanted = [piece.strip(" :;,(") for piece in sentences(path) if len(piece.split()) >= 3]
    assert wanted and not [piece for piece in wanted if piece not in text]


def test_the_changelog_begins_with_this_version():
    versions = re.findall(r"^(\d\S+) \(\S+\)\n-+$", (ROOT / "CHANGELOG.rst").read_text(), re.M)
    assert versions[0] == __version__ and all(
        re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions
    )
