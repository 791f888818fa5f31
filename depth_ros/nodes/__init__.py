"""The only place that knows ROS; decode.py and watchdog.py in it do not even need it installed."""
