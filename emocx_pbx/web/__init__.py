"""The HTTP app: API, pages and live feed."""
