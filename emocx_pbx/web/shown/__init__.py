"""What each page shows, computed from rows of the store; pure, so that it can be tested without a server."""
