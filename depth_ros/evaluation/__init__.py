"""A bag or a folder of scenes through the estimator without ROS; evaluation and its report."""
