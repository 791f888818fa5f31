"""Command line of the training code: python -m train render|fit|export."""

from __future__ import annotations

from pathlib import Path

import click

_PATH = click.Path(path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main():
    """Train the networks of depth_ros: render a pool of pairs, fit, export."""


@main.command()
@click.option("--pool", type=_PATH, default=Path("runs/pool"), show_default=True, help="Folder of the pairs.")
@click.option("--count", default=2000, show_default=True, help="How many pairs the pool shall hold.")
@click.option("--jobs", default=1, show_default=True, help="Processes.")
def render(pool: Path, count: int, jobs: int):
    """Render procedural stereo pairs into a pool on disk (resumes where it stopped)."""
    from train.data.pool import fill_pool

    fill_pool(pool, count, jobs=jobs)


@main.command()
@click.option("--config", type=click.Path(path_type=Path, exists=True), help="Recipe, see config/train/.")
@click.option("--pool", help="Folder of the pairs (overrides the recipe).")
@click.option("--minutes", type=float, help="Budget (overrides the recipe).")
@click.option("--out", type=_PATH, default=Path("runs/stereo"), show_default=True, help="Run folder.")
def fit(config: Path | None, pool: str | None, minutes: float | None, out: Path):
    """Fit the stereo network; resumes from OUT/checkpoint.pt."""
    from train.fit import Recipe
    from train.fit import fit as run

    print(run(Recipe.load(config, pool=pool, minutes=minutes), out))


@main.command()
@click.argument("checkpoint", type=click.Path(path_type=Path, exists=True))
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--pool", type=click.Path(path_type=Path, exists=True), help="Pool whose first pairs check the export.")
def export(checkpoint: Path, model: Path, pool: Path | None):
    """Export CHECKPOINT to MODEL.onnx; refused where ONNX Runtime does not agree with PyTorch."""
    from train.export import export_stereo, load_average

    worst = export_stereo(load_average(checkpoint), model, "procedural world (depth_ros.core.scenes)", pool)
    print(f"{model}: parity with PyTorch within {worst:.5f} px")


if __name__ == "__main__":
    main()
