"""OpenAPI document and the tools of `/mcp`, generated from routes, specifications and types."""
