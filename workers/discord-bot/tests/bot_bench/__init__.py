"""What the tests of discord-bot stand on: small real servers, signatures, and a way to reach the Worker."""
