"""A recording over DDS through the real node, every frame accounted for."""
