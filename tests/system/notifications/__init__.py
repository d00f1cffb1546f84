"""Being told of a job's end, with real receivers, senders and verifiers."""
