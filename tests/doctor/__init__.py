"""Networks that are broken on purpose, each in a namespace of its own, and what `drydock doctor` says of them."""
