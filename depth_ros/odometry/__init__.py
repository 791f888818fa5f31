"""Odometry: how the camera moves, in metres, and how sure that is.

No ROS, no files.
"""

from .from_estimate import EstimateConverter, OdometryInputs
from .odometry import EgoMotion
from .types import EgoEstimate, EgoFrame, ImuSample, without_metres

__all__ = [
    "EgoEstimate",
    "EgoFrame",
    "EgoMotion",
    "EstimateConverter",
    "ImuSample",
    "OdometryInputs",
    "without_metres",
]
