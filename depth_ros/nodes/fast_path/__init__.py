"""The only room that touches private parts of rclpy and librcl; each has a public path beside it."""
