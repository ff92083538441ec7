"""The analysis worker process and the controller's pool of them."""
