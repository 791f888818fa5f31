"""The only room that touches private parts of rclpy and librcl; each has a plain way beside it."""
