"""Serve Worker folders in real Pyodide, for tests: `fixtures` offers the fixture `pyodide`, whose methods are in `pyodide`."""
