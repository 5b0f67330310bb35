"""What the tests of platform-api share: a small real server behind it, and the settings that lead there."""
