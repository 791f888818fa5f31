"""Judge networks and baselines on recordings."""
