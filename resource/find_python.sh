#!/bin/sh
# Print the first Python that the pinned wheels exist for, or say what to install. Commands are run, not only looked up:
# pyenv leaves shims for versions that are not selected.
if [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
    echo "depth_ros: ROS 2 comes as wheels for x86-64 Linux only, this is $(uname -s) $(uname -m)." >&2
    echo "Build with colcon inside an installed ROS 2 instead (README, 'On a robot')." >&2
    exit 1
fi
for python in ${PYTHON:-} python3 python3.12 python3.11 python3.13 python3.10; do
    "$python" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null &&
        echo "$python" && exit 0
done
echo "depth_ros: needs Python 3.10, 3.11, 3.12 or 3.13 with venv (Debian, Ubuntu: apt install python3 python3-venv)." >&2
echo "To name one: make PYTHON=/path/to/python3.12 demo" >&2
exit 1
