"""The world outside for tests: a misbehaving upstream, real nginx and Squid, and certificates for them."""
