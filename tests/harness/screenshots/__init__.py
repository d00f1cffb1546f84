"""Pictures of the dashboard's pages for the README: `make screenshots`."""
