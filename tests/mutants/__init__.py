"""Takes one protection out at a time and sees which tests notice: proof that they would."""
