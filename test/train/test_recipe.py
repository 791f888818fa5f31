"""Recipes: what is written is what is read, and what does not fit is named."""

from pathlib import Path

import pytest

pytest.importorskip("dacite")

from depth_ros.core.errors import InputError  # noqa: E402
from train.recipe import Recipe  # noqa: E402

CONFIG = Path(__file__).resolve().parents[2] / "config" / "train"


@pytest.mark.parametrize("path", sorted(CONFIG.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_is_read_and_written_unchanged(path, tmp_path):
    recipe = Recipe.load(path)
    recipe.save(tmp_path / "recipe.yaml")
    assert Recipe.load(tmp_path / "recipe.yaml") == recipe
    assert not list(tmp_path.glob("*.part*"))


def test_changes_come_after_the_file(tmp_path):
    (tmp_path / "r.yaml").write_text("fit: {minutes: 3, batch: 4}\n")
    recipe = Recipe.load(
        tmp_path / "r.yaml", ["fit.minutes=7.5", "data.sizes=[[64, 96]]", "loss.silog=1"]
    )
    assert (recipe.fit.minutes, recipe.fit.batch, recipe.loss.silog) == (7.5, 4, 1)
    assert recipe.data.sizes == ((64, 96),)
    assert recipe.with_fit(batch=2, minutes=None).fit.batch == 2


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("fit: {minuets: 3}", "minuets"),
        ("fit: {minutes: long}", "fit.minutes"),
        ("losses: {silog: 1}", "losses"),
        ("task: segmentation", "segmentation"),
        ("[1, 2]", "sections"),
        ("fit: {minutes: 3", "YAML"),
        ("data: {sizes: [[100, 160]]}", "multiples of 32"),
        ("{data: {offsets: [-1]}, loss: {photometric: 1}}", "pose.use"),
        ("loss: {left_right: 1}", "network.left_right"),
        ("loss: {likelihood: 1}", "network.log_sigma"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, text, named):
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(InputError, match=named):
        Recipe.load(tmp_path / "r.yaml")


def test_a_change_needs_an_equals_sign():
    with pytest.raises(InputError, match="section.key=value"):
        Recipe.load(None, ["fit.minutes"])
