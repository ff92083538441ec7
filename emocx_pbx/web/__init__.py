"""The controller's HTTP app: API, pages, live feed."""
