"""Fault tests: no fault loses a job or an image."""
