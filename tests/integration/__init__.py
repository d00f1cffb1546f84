"""Tests with a real Redis and one process."""
