"""The clients: wrk for load, curl for single bodies, one of our own for connections."""
