"""Offers the fixtures that tests of every distribution share."""

pytest_plugins = ("tests.upstream.fixtures",)
