"""The pipelines that are offered to copy: linted, and the same commands everywhere."""
