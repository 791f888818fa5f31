"""The only room that touches private parts of rclpy and librcl; a public path stands beside."""
