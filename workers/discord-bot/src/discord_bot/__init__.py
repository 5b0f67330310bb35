"""The Discord bot in plain Python: everything below main.py, importable and testable in CPython."""
