"""Atomic writes: a file appears whole or not at all."""

import os
import threading

import pytest

from depth_ros.files import replacing, write_atomic


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_content_and_folders(tmp_path):
    path = write_atomic(tmp_path / "a" / "b.bin", b"one")
    assert path.read_bytes() == b"one"
    assert write_atomic(path, b"two", durable=True).read_bytes() == b"two"
    assert names(path.parent) == ["b.bin"]


def test_nothing_is_at_the_path_before_the_end(tmp_path):
    path = tmp_path / "depth.npz"
    with replacing(path) as part:
        part.write_bytes(b"half")
        assert not path.exists() and part.parent == path.parent
        assert not list(tmp_path.glob("*.npz")), "a reader of the folder does not take the part"
    assert path.read_bytes() == b"half"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_raises_leaves_the_old_file(tmp_path, error):
    path = write_atomic(tmp_path / "a.txt", b"old")
    with pytest.raises(error):
        with replacing(path) as part:
            part.write_bytes(b"new")
            raise error
    assert path.read_bytes() == b"old" and names(tmp_path) == ["a.txt"]


def test_a_rename_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = write_atomic(tmp_path / "a.txt", b"old")

    def refuse(*paths):
        raise PermissionError("read-only")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old" and names(tmp_path) == ["a.txt"]


def test_the_temporary_name_ends_as_a_library_wants(tmp_path):
    with replacing(tmp_path / "net.onnx", ".onnx") as part:
        assert part.suffix == ".onnx" and part.name != "net.onnx"
        part.write_bytes(b"")
    assert names(tmp_path) == ["net.onnx"]


def test_two_threads_write_one_file(tmp_path):
    path = tmp_path / "a.bin"
    contents = [bytes([value]) * 200_000 for value in (1, 2)]
    threads = [threading.Thread(target=write_atomic, args=(path, c)) for c in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in contents and names(tmp_path) == ["a.bin"]
