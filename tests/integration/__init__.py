"""Tests with a real Redis in one process."""
