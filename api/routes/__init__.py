"""The routes of the desk's API: one module with a router for each resource."""
