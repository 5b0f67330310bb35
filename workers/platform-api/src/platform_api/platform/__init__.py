"""What happened on this platform, counted and listed from D1."""
