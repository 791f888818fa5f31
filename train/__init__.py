"""Training of depth networks in PyTorch; imports depth_ros.core and depth_ros.engine only. See `python -m train --help`."""
