"""The typed errors of the project; every message says what was expected and what came."""


class DepthRosError(Exception):
    """Base of every error that depth_ros raises on purpose."""


class CalibrationError(DepthRosError, ValueError):
    """A camera that is not calibrated, or a rig whose two cameras do not fit each other."""


class ImageError(DepthRosError, ValueError):
    """An image, depth or disparity array of the wrong shape, type, size or encoding."""


class SpecError(DepthRosError, ValueError):
    """A model whose contract is absent, unreadable or not the one its graph keeps."""


class EngineError(DepthRosError, ValueError):
    """A network that cannot be loaded or run."""


class InputError(DepthRosError, ValueError):
    """A bag, folder, file or argument that cannot be used."""
