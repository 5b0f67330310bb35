"""Nothing: the configuration has to name an entry."""
