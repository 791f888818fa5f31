"""Messages in: images, camera_info, IMU, TF."""
