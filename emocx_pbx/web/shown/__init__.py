"""What each page shows, worked out from rows of the store; pure, so that it is tested without a server."""
