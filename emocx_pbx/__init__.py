"""EmoCX PBX: emotion-aware routing, live readings and fair grades beside your own Asterisk."""

__version__ = "0.1.0"
