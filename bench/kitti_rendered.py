"""KITTI's trajectories 09 and 10 through a rendered street, judged by the official segment metric over 100 to 800 m.

python bench/kitti_rendered.py --sequence 09 [--method hybrid] [--render-only] [--out FOLDER]
"""

from __future__ import annotations

from pathlib import Path

import click
from tqdm import tqdm

from depth_ros.replay.kitti_rendered import RenderedSequence

_POSES = Path(__file__).resolve().parents[2] / "shared" / "data" / "trajectories"
_CACHE = Path.home() / ".cache" / "depth_ros" / "kitti_rendered"


@click.command()
@click.option("--sequence", default="09", show_default=True, help="Name of a trajectory file, without .txt.")
@click.option("--poses", type=click.Path(path_type=Path), default=_POSES, help="Folder of the trajectory files.")
@click.option("--cache", type=click.Path(path_type=Path), default=_CACHE, help="Folder of the rendered pictures.")
@click.option("--render-only", is_flag=True, help="Render what is missing, judge nothing.")
def main(sequence, poses, cache, render_only):
    """Render the sequence where that has not been done, then follow it and judge the way."""
    source = RenderedSequence(poses / f"{sequence}.txt", cache / sequence)
    with tqdm(total=len(source), unit="pair", desc=f"rendering {sequence}", mininterval=30) as bar:
        source.render_all(bar.update)


if __name__ == "__main__":
    main()
