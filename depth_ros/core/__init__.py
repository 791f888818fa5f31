"""Pure functions and small value types: no ROS, no files, no clocks, no logging."""
