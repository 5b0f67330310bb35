"""Tests that need more than one distribution, and the servers that they and the distributions' own tests talk to."""
