"""Samples to figures; report/ turns figures into words, plots and pages."""
