"""Random faults for minutes, seeded: `make soak`, before a release."""
