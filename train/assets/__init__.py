"""Turn free 3D models that the user has (packages, checkouts) into meshes that the rasterised world
reads.
"""
