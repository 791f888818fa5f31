"""The network behind one small protocol: run(arrays) -> arrays."""
