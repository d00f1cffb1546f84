"""Start the processes: `make run` on this machine, and files for other platforms."""
