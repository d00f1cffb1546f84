"""Screenshots of the dashboard for README: `make screenshots`."""
