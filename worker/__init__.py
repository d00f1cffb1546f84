"""The background processes: they rescue media, ask BFL, and look after jobs that are due."""
