"""python -m depth_ros: the depth-ros command."""

from .cli.main import main

if __name__ == "__main__":
    main(prog_name="depth-ros")
