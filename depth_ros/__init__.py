"""Turn stereo or monocular cameras into metric depth: cameras in, metres out."""

__version__ = "0.1.0"
