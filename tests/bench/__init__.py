"""Benchmarks of Fluxkeep, compared with alternatives."""
