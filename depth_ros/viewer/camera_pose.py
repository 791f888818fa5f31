"""Where the camera of a running node is: its odometry, carried from the base to the camera.

Needs rclpy.
"""

from __future__ import annotations

import numpy as np

from depth_ros.core.lie import pose_to_matrix
from depth_ros.recordings.decode import pose_message_to_matrix

_NODE = "depth_node"
_PARAMETER = "base_T_camera"


class Place:
    """Turns odometry into the camera's pose; asks the node's parameter for the extrinsics, then TF.

    words: what the page says about it.
    """

    def __init__(self, node):
        from rcl_interfaces.srv import GetParameters

        self._node, self._request = node, GetParameters.Request(names=[_PARAMETER])
        self._client = node.create_client(GetParameters, f"{_NODE}/get_parameters")
        self._answer = self._given = self._extrinsics = None
        self._child = ""
        self.words = "no odometry is heard (`--way` asks for it): points in the camera's frame"

    def odom_T_camera(self, odometry, camera_frame: str) -> np.ndarray | None:
        """Give the pose (4, 4), optical axes, of a nav_msgs/Odometry; None where the extrinsics
        are not known.
        """
        if odometry is None:
            return None
        child = odometry.child_frame_id
        if child == camera_frame:
            self.words = f"odometry of the camera ({child})"
            return pose_message_to_matrix(odometry.pose.pose)
        base_T_camera, source = self._find(child, camera_frame)
        if base_T_camera is None:
            self.words = (
                f"odometry is of {child} and no transform to "
                f"{camera_frame or 'the nameless camera'} is known "
                f"({_PARAMETER}, /tf_static): **points in the camera's frame, no way**"
            )
            return None
        self.words = f"odometry of {child}, the camera ({camera_frame}) placed by {source}"
        return pose_message_to_matrix(odometry.pose.pose) @ base_T_camera

    def _find(self, base_frame: str, camera_frame: str) -> tuple[np.ndarray | None, str]:
        """base_T_camera and where it comes from, in the node's own order: the parameter, then
        TF.
        """
        given = self._asked()
        if given is not None:
            return given, f"the node's {_PARAMETER}"
        if self._extrinsics is None or self._child != base_frame:
            self._listen_to_tf(base_frame)
        return self._extrinsics.base_T_camera(camera_frame), "TF"

    def _asked(self) -> np.ndarray | None:
        """The node's own parameter, as soon as it has answered; asks once."""
        if self._answer is None and self._client.service_is_ready():
            self._answer = self._client.call_async(self._request)
        if (
            self._given is None
            and self._answer is not None
            and self._answer.done()
            and self._answer.result()
        ):
            numbers = [list(value.double_array_value) for value in self._answer.result().values]
            self._given = pose_to_matrix(numbers[0]) if numbers and len(numbers[0]) == 7 else None
        return self._given

    def _listen_to_tf(self, base_frame: str) -> None:
        from depth_ros.nodes.input.extrinsics import Extrinsics
        from depth_ros.nodes.parameters import Parameters

        if self._extrinsics is not None:
            self._extrinsics.destroy()
        odom_frame = (
            "odom" if base_frame != "odom" else "world"
        )  # of no importance here, but must differ
        self._child = base_frame
        self._extrinsics = Extrinsics(
            self._node, Parameters(base_frame=base_frame, odom_frame=odom_frame)
        )
