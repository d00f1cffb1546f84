"""The store's part of archiving: ended jobs between Redis and the archive."""
