"""Live feed: changes of jobs, delivered to long polls and event streams."""
