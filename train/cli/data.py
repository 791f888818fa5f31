"""Commands that make what networks are trained on: render, assets, stream."""

from __future__ import annotations

from pathlib import Path

import click

from train.cli.options import FOUND, PATH, POOLS

# height and width of pictures, px: cameras of many kinds
_SHAPES = [(208, 288), (176, 352), (144, 416), (240, 256)]


@click.command()
@click.argument("kind", type=click.Choice(list(POOLS)))
@click.option(
    "--pool", type=PATH, help="Folder; by default the one of the recipes in config/train/."
)
@click.option("--count", default=2000, help="How many the pool shall hold.")
@click.option("--jobs", default=1, help="Processes.")
def render(kind: str, pool: Path | None, count: int, jobs: int):
    """Render a procedural pool on disk (resumes where it stopped).

    pairs: stereo pairs of random shapes, for the stereo network. video: stereo clips of four frames
    in streets and rooms, for depth and motion. pictures: single frames in streets and rooms, for
    supervised depth.
    """
    from train.data.datasets.clips import fill_clips
    from train.data.pool import fill_pool

    folder = pool or Path(POOLS[kind])
    if kind == "pairs":
        fill_pool(folder, count, jobs=jobs)
    elif kind == "video":
        fill_clips(folder, count, 4, [(128, 224)], "mix", jobs, stereo=True)
    else:
        fill_clips(folder, count, 1, _SHAPES, "mix", jobs, stereo=False)


@click.command()
@click.argument("source")
@click.argument("folder", type=FOUND)
@click.option("--out", type=PATH, default=Path("runs/assets"), help="Folder of assets.")
def assets(source: str, folder: Path, out: Path):
    """Convert free 3D models that you have in FOLDER for the rasterised world; checks version and
    hashes.

    SOURCE: sweethome, small-house, bookstore, small-warehouse or gazebo-models; see
    train/assets/sources.py for where each comes from, and under which licence.
    """
    from depth_ros.core.errors import InputError
    from train.assets.sources import SOURCES
    from train.assets.store import convert

    if source not in SOURCES:
        raise InputError(f"expected a source out of {sorted(SOURCES)}, got {source!r}")
    count = convert(SOURCES[source], folder, out, click.echo)
    click.echo(f"{out}: {count} models of {source}; credits in {out / 'CREDITS.md'}")


@click.command()
@click.option(
    "--out", type=PATH, default=Path("runs/crops"), help="Folder of crops, the recipe's data.path."
)
@click.option("--pool", type=FOUND, help="Of rendered pairs, instead of the rasterised world.")
@click.option("--assets", type=FOUND, help="Models for the world, see `assets`.")
@click.option("--keep", default=1500, help="Crops in the folder; the oldest go.")
@click.option("--share", default=0.3, help="Of one CPU core to take.")
@click.option("--seed", default=0, help="Of the world.")
@click.option("--count", default=0, help="Crops to make, then stop; 0: never.")
def stream(out: Path, pool: Path | None, assets: Path | None, seed: int, count: int, **how):
    """Keep a folder of stereo crops filled while a training uses them; Ctrl-C ends it.

    The recipe wants held-out crops beside it: --out runs/crops_held_out --seed 1000003 --count 32.
    """
    from train.data import stereo_stream

    if pool:
        pairs = stereo_stream.pool_pairs(pool, seed)
    else:
        pairs = stereo_stream.raster_pairs(seed, assets)
    stereo_stream.produce(pairs, out, stereo_stream.Stream(**how), seed, count)
