"""Submissions by one worker in the process of the test."""
