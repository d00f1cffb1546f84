"""Programs that use other people's clients of BFL's API: a JSON order in, a JSON outcome out.

An order has `client`, `url`, `key`, `model`, `prompt`, `input` and `patience` (seconds); an outcome
has `sha256`, `bytes`, `kind` and `metadata`, or `error` with `name` and `message`.
"""
