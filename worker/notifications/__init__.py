"""Notifications that a job has ended: when one is due, and how it is delivered."""
