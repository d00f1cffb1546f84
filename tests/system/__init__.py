"""Tests of real processes, as they are deployed."""
