"""Redis itself: connections, its clock, names of keys, scripts, and how durable a write is."""
