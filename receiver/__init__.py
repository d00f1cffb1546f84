"""The web process: accepts callbacks and submissions, and serves jobs and their media."""

from receiver.app import create_app

__all__ = ["create_app"]
