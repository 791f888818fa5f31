"""The spec that an exported network carries: its contract with the runtime."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from depth_ros.engine.spec import RELATIVE, ModelSpec
from train.model.stereo_cascade import DIVISOR
from train.recipe import Recipe


def make_spec(
    recipe: Recipe, network: str, scale_source: str | None, trained_on: str, name: str
) -> ModelSpec:
    """Make the spec of a network of a recipe.

    Args:
        recipe: Of the run.
        network: "depth", "pose", "stereo" or "stereo_coarse".
        scale_source: Where its metres come from; None for what the recipe implies.
        trained_on: For people.
        name: Of the model.

    Returns:
        Its inputs and outputs, sizes, focal length, range and origin.
    """
    pixels = round(sum(h * w for h, w in recipe.data.sizes) / len(recipe.data.sizes))
    # Of the data's place only the last name: a model travels, and the folders of a machine are
    # nobody else's business.
    public = replace(recipe, data=replace(recipe.data, path=Path(recipe.data.path).name))
    common = dict(
        name=name, height=0, width=0, divisor=32, trained_on=trained_on, recipe=public.to_json()
    )
    source = scale_source or implied_scale(recipe)
    if network in ("stereo", "stereo_coarse"):
        prior_scale = recipe.network.prior_scale
        if network == "stereo_coarse":
            prior_scale = 2
        common |= dict(divisor=DIVISOR, prior_scale=prior_scale)
        return ModelSpec(
            task="stereo",
            inputs=("left", "right", "prior"),
            outputs=("disparity", "log_sigma"),
            **common,
        )
    net = recipe.network
    common |= dict(focal_px=float(net.focal_px), working_pixels=pixels, scale_source=source)
    if network == "pose":
        return ModelSpec(
            task="pose",
            inputs=("first", "second"),
            outputs=("pose",),
            pose_direction="first_T_second",
            **common,
        )
    outputs = ("depth",)
    if net.log_sigma:
        outputs += ("log_rel_sigma",)
    return ModelSpec(
        task="mono",
        inputs=("image",),
        outputs=outputs,
        value_range=(float(net.min_depth_m), float(net.max_depth_m)),
        **common,
    )


def implied_scale(recipe: Recipe) -> str:
    """Name where the metres of a recipe come from; "none" where it never sees one."""
    loss = recipe.loss
    if recipe.task == "stereo" or (loss.photometric and recipe.data.stereo):
        return "stereo baseline"
    if recipe.task == "pose" or loss.silog or loss.log_l1 or loss.pose:
        if recipe.data.reader == "clips":
            return "procedural metric"
        return f"ground truth of {recipe.data.reader}"
    return RELATIVE
