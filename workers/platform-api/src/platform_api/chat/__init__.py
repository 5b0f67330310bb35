"""Questions answered from content with Workers AI."""
