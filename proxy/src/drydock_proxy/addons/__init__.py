"""The mitmproxy addons of drydock, one concern a module."""
