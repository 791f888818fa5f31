"""Train on one's own recording."""
