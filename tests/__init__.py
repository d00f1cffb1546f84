"""Tests of Fluxkeep, one file per behaviour."""
