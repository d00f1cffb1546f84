"""Tests that build the image and run it with a real Docker: `make image`."""
