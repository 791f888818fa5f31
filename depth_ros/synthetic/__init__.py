"""The rendered world: scenes, renderers and what cameras do to pictures (extra [synthetic])."""
