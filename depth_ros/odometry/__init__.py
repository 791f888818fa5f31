"""Ego-motion: how the camera moves, in metres, and how little that may be trusted.

No ROS, no files.
"""

from .odometry import EgoMotion
from .types import EgoEstimate, EgoFrame, ImuSample, without_metres

__all__ = ["EgoEstimate", "EgoFrame", "EgoMotion", "ImuSample", "without_metres"]
