"""System tests of invalid and hostile input to the web process."""
