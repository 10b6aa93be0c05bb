"""What containers need beside the service itself: entry point, health checks, first users."""
