"""A server that plays Cloudflare's API for deployments: it keeps what is uploaded, checks the token, and fails as told."""
