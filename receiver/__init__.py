"""The web process: takes callbacks in, gives status out."""

from receiver.app import create_app

__all__ = ["create_app"]
