"""Storage for media: a local directory or a bucket behind one interface."""
