"""Training of depth networks in PyTorch; never imported by the runtime.

See `python -m train --help`.
"""
