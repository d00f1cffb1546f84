"""Records, queues and counters in Redis; the only package that knows its keys."""
