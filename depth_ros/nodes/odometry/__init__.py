"""Odometry of the node: worker, messages, TF, set_pose."""
