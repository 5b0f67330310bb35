"""Published content, read from Sanity and kept in KV."""
