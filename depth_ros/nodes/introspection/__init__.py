"""A look at a running graph, for the doctor."""
