"""Steps that the sweep repeats beside its check of due jobs, each in a loop of its own."""
