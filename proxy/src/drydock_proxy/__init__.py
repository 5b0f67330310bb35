"""The caching, intercepting proxy of drydock: mitmproxy on top of drydock_cache."""
