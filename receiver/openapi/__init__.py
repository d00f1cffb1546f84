"""OpenAPI document, generated from the routes, their specifications and types."""
