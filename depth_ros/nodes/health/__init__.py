"""Counters, diagnostics and the watchdog."""
