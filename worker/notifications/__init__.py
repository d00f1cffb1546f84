"""Notifications that a job has ended: dispatched to threads of their hosts, and delivered."""
