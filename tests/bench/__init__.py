"""Measures what the service does beside what its users would pick instead."""
