"""Runs the suite in two processes, for pytest-xdist: what waits for containers beside what measures no time, and what measures it alone."""
