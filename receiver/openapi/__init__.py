"""OpenAPI document, generated from the routes, their contracts and types."""
