"""The subcommands of `drydock` that need no proxy, one a module."""
