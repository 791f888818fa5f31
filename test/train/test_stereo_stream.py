"""The stream of stereo crops: geometry kept, the oldest go, bad folders are named."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from depth_ros.core.errors import InputError  # noqa: E402
from train.data.stereo import flip, range_px, spoil_pair  # noqa: E402
from train.data.stereo_stream import CropStream, Stream, make_crop, pool_pairs, produce, to_tensors  # noqa: E402

SHIFT_PX = 9
SMALL = Stream(size=(64, 96), keep=5, crops=2, zoom=(1.0, 1.0), spoilt=0.0)


def noise_wall(seed=0, height=80, width=128):
    """A wall of noise whose right picture lies SHIFT_PX to the left."""
    wide = np.random.default_rng(seed).integers(
        0, 255, (height, width + SHIFT_PX, 3), dtype=np.uint8
    )
    truth = np.full((height, width), SHIFT_PX, np.float32)
    return {"left": wide[:, :width], "right": wide[:, SHIFT_PX:], "disparity": truth}


def walls():
    seed = 0
    while True:
        yield noise_wall(seed)
        seed += 1


def test_a_crop_keeps_the_pair_a_pair():
    crop = make_crop(np.random.default_rng(1), noise_wall(), SMALL)
    assert crop["left"].shape == (64, 96, 3) and crop["prior"].shape == (2, 64, 96)
    assert crop["half_prior"].shape == (2, 32, 48)
    np.testing.assert_array_equal(crop["left"][:, SHIFT_PX:], crop["right"][:, :-SHIFT_PX])
    assert (crop["truth"] == SHIFT_PX).all()
    assert np.median(crop["prior"][0][:, 20:]) == SHIFT_PX


def test_a_zoomed_crop_has_zoomed_disparities():
    crop = make_crop(
        np.random.default_rng(1),
        noise_wall(height=100, width=160),
        Stream(size=(64, 96), zoom=(0.8, 0.8)),
    )
    np.testing.assert_allclose(crop["truth"], 0.8 * SHIFT_PX, rtol=1e-6)


def test_unknown_pixels_are_not_judged_and_too_few_are_refused():
    pair = noise_wall()
    pair["disparity"][:, ::4] = np.nan
    item = to_tensors(make_crop(np.random.default_rng(1), pair, SMALL))
    assert item["mask"].float().mean().item() == pytest.approx(0.75, abs=0.02)
    assert torch.isfinite(item["truth"]).all()
    pair["disparity"][:, ::2] = np.nan
    assert make_crop(np.random.default_rng(1), pair, SMALL) is None


def test_the_newest_crops_stay(tmp_path):
    produce(walls(), tmp_path / "crops", SMALL, seed=3, limit=7)
    assert [int(p.stem) for p in sorted((tmp_path / "crops").iterdir())] == [2, 3, 4, 5, 6]
    produce(walls(), tmp_path / "crops", SMALL, seed=4, limit=2)
    assert [int(p.stem) for p in sorted((tmp_path / "crops").iterdir())] == [4, 5, 6, 7, 8]


def test_a_key_names_a_crop_while_the_folder_stands(tmp_path):
    produce(walls(), tmp_path, SMALL, seed=3, limit=5)
    crops = CropStream(tmp_path, nominal=100)
    assert len(crops) == 100 and len(CropStream(tmp_path, ordered=True)) == 5
    assert torch.equal(crops[7, 0]["left"], crops[7, 0]["left"])
    chosen = {float(crops[0, epoch]["left"].sum()) for epoch in range(20)}
    assert len(chosen) > 2


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="train stream"):
        CropStream(tmp_path)
    with pytest.raises(InputError, match="render pairs"):
        next(pool_pairs(tmp_path, 0))


def test_spoiling_keeps_size_and_type():
    image = np.random.default_rng(0).integers(0, 255, (40, 56, 3), dtype=np.uint8)
    for seed in range(6):
        left, right = spoil_pair(np.random.default_rng(seed), image, image)
        assert left.shape == right.shape == image.shape and left.dtype == right.dtype == np.uint8


def test_flips_and_ranges():
    rng = np.random.default_rng(0)
    pair = noise_wall()
    pair["disparity"][:40] = 3
    left, right, truth = flip(rng, pair["left"], pair["right"], pair["disparity"])
    assert sorted(np.unique(truth[:40]).tolist() + np.unique(truth[40:]).tolist()) == [3, SHIFT_PX]
    np.testing.assert_array_equal(
        left[truth == SHIFT_PX].reshape(40, -1, 3)[:, SHIFT_PX:],
        right[truth == SHIFT_PX].reshape(40, -1, 3)[:, :-SHIFT_PX],
    )
    assert all(range_px(rng, np.full((4, 4), 70.0)) >= 80 for _ in range(20))
