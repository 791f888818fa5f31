"""TensorRT and TensorRT-RTX: built engines, their cache, and the whole step as one graph."""
