"""What a Python Worker needs to cross between Python and JavaScript safely; import the modules by name."""
