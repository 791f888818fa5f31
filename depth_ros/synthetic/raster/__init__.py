"""A rasterised world: textured meshes, drawn fast on a GPU or on a CPU, with exact depth beside
every picture.
"""
