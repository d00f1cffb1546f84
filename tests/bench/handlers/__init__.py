"""Alternative handlers: each verifies a callback, drops duplicates and enqueues work."""
