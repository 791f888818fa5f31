"""The rendered world: scenes, places, renderer, clips. NumPy or torch."""
