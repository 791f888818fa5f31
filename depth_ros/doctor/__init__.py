"""What is wrong with a recording or a running graph: rules only, no ROS."""
