"""Frame -> Estimate: images to metric depth with its uncertainty."""
