"""Measures drydock beside nginx, Squid and mitmproxy: python -m bench."""
