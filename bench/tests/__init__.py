"""Tests of what the bench concludes from its readings."""
