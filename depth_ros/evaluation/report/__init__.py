"""Figures as words, plots, pictures and HTML."""
