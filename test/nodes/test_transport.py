import xml.etree.ElementTree as ElementTree

import pytest

from depth_ros.nodes import transport

NAMES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "distribution, name", [("jazzy", NAMES[1]), ("humble", NAMES[1]), ("kilted", NAMES[0])]
)
def test_the_profile_is_set_by_the_name_that_is_read(monkeypatch, distribution, name):
    monkeypatch.setenv("ROS_DISTRO", distribution)
    environment = transport.transport_environment()
    assert [n for n in NAMES if n in environment] == [name]
    assert f"start the camera with {name} set to" in transport.too_large()
    root = ElementTree.parse(environment[name])
    sizes = [int(e.text) for e in root.iter() if e.tag.endswith("segment_size")]
    assert sizes == [64 * 2**20]


def test_a_profile_of_the_user_stays(monkeypatch):
    monkeypatch.setenv(NAMES[1], "/mine.xml")
    assert not set(NAMES) & set(transport.transport_environment())


def test_the_allocator_keeps_images():
    environment = transport.transport_environment()
    assert (
        1920 * 1080 * 3 < int(environment["MALLOC_MMAP_THRESHOLD_"]) <= 32 * 2**20
    )  # glibc refuses more
    assert int(environment["MALLOC_TRIM_THRESHOLD_"]) > 64 * 2**20


def test_small_matrices_need_one_thread(monkeypatch):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    assert transport.transport_environment()["OPENBLAS_NUM_THREADS"] == "1"
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    assert "OPENBLAS_NUM_THREADS" not in transport.transport_environment()
