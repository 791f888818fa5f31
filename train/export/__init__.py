"""Trained networks to ONNX."""
