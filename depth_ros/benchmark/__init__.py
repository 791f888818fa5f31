"""Measurements of `depth-ros bench`: each part has run(progress, **options) -> dict and
table(result) -> str.
"""
