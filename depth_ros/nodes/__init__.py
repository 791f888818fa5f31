"""Everything that imports rclpy: the node, its inputs and outputs, replay and introspection."""
