"""Tests with real processes, browsers and faults."""
