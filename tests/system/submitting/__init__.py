"""Jobs that Fluxkeep submits to BFL itself, from the caller's request to the stored media."""
