"""Offers the fixtures that tests of every distribution and of every Worker share."""

pytest_plugins = ("tests.upstream.fixtures", "pyodide_harness.fixtures", "tests.faults.report")
