"""Forms that people send, kept in D1 and handed to Sanity."""
