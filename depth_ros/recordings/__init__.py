"""Files in, samples out, and back: rosbag2, scene folders, ground truth, decoding of messages'
bytes.
"""
