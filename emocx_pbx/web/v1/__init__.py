"""Version 1 of the HTTP API: one table of endpoints, from which routes and the OpenAPI document are built."""
