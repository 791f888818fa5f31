"""The pool of clips: what is written is what is read, parts never mix, and a pool may grow."""

import numpy as np
import pytest

from depth_ros.core.errors import InputError
from depth_ros.synthetic.clips import render_clip
from train.data.datasets.clips import fill_clips, make_clip, read_clips, write_clip

SIZE = (32, 64)


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    fill_clips(folder, 4, frames=2, sizes=[SIZE], place="street", stereo=True)
    return folder


def test_a_view_is_the_rendered_frame(pool):
    frames, clip = read_clips(pool, part="val"), make_clip(0, 2, [SIZE], "street", True)
    assert len(frames) == 2
    expected, view = render_clip(clip, 1), frames[1]
    np.testing.assert_array_equal(view.image, expected["left"])
    np.testing.assert_array_equal(view.right, expected["right"])
    np.testing.assert_allclose(
        view.depth, expected["depth"], rtol=1e-3
    )  # half precision; the sky is unknown
    np.testing.assert_allclose(view.world_T_camera, clip.world_T_camera[1])
    assert (view.camera, view.baseline_m) == (clip.camera, clip.baseline_m)
    assert 0.1 <= view.baseline_m <= 0.6 and view.name == "0000000/1"


def test_the_sky_may_be_given_as_far(pool):
    near, far = read_clips(pool, part="val")[0], read_clips(pool, "far-sky", "val")[0]
    np.testing.assert_array_equal(far.depth == 1000.0, np.isnan(near.depth))


def test_neighbours_stay_within_a_clip(pool):
    frames = read_clips(pool, part="train")  # seeds 2 and 3
    assert len(frames) == 4
    assert [frames.neighbour(1, k) for k in (-2, -1, 0, 1)] == [None, 0, 1, None]
    assert frames.neighbour(2, 1) == 3 and frames.neighbour(3, 1) is None


def test_parts_are_disjoint_and_do_not_change_when_the_pool_grows(tmp_path):
    def names(part):
        return {path.name for path in read_clips(tmp_path, part=part).files}

    clip = make_clip(7, 1, [SIZE], "room", False)
    for seed in range(13):
        write_clip(tmp_path / f"{seed:07d}.npz", clip)
    (tmp_path / "0000099.1.part").write_bytes(b"half a file")
    small = {part: names(part) for part in ("train", "val", "test")}
    assert small["val"] == {"0000000.npz", "0000012.npz"} and small["test"] == {"0000001.npz"}
    write_clip(tmp_path / "0000013.npz", clip)
    assert names("train") == small["train"] and names("test") == {"0000001.npz", "0000013.npz"}
    view = read_clips(tmp_path, part="test")[0]
    assert view.right is None and view.baseline_m is None


def test_filling_again_renders_only_what_is_missing(pool):
    before = {path: path.stat().st_mtime_ns for path in pool.glob("*.npz")}
    missing = pool / "0000003.npz"
    missing.unlink()
    fill_clips(pool, 4, frames=2, sizes=[SIZE], place="street", stereo=True)
    after = {path: path.stat().st_mtime_ns for path in pool.glob("*.npz")}
    assert after.keys() == before.keys()
    assert {path for path in after if after[path] != before[path]} == {missing}


def test_empty_folders_and_unknown_splits_are_refused(tmp_path, pool):
    with pytest.raises(InputError, match="fill the pool first"):
        read_clips(tmp_path, part="train")
    with pytest.raises(InputError, match="far-sky"):
        read_clips(pool, "eigen")


def test_a_split_picks_the_clips_of_one_kind(tmp_path):
    for seed, place in ((2, "street"), (3, "room"), (4, "street")):
        write_clip(tmp_path / f"{seed:07d}.npz", make_clip(seed, 1, [SIZE], place, False))
    names = {
        split: [path.stem[-1] for path in read_clips(tmp_path, split).files]
        for split in ("", "street", "room")
    }
    assert names == {"": ["2", "3", "4"], "street": ["2", "4"], "room": ["3"]}
    with pytest.raises(InputError, match="room clips"):
        read_clips(tmp_path, "room", "val")
