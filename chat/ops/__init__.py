"""How the server is doing: health, readiness, metrics."""
