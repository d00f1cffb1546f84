"""Model Context Protocol: tools and resources for agents, at `/mcp`."""
