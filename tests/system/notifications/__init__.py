"""Notifications of ended jobs, with real receivers, senders and verifiers."""
