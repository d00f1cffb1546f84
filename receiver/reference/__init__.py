"""What the HTTP API is, told by the code that serves it: an OpenAPI document, and a page of it."""
