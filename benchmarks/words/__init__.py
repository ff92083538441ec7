"""What words add to the voice: see `__main__.py`."""
