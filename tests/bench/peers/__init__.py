"""Handlers of callbacks, and workers, as users would write them instead."""
