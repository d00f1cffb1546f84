"""How the processes are run: here on this machine, and what other platforms need to run them."""
