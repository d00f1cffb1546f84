"""Deterministic simulation: the real code over a model of Redis, BFL and the storage."""
