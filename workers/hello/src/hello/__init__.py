"""What `hello` answers, in plain Python: nothing here imports the runtime, so CPython can test it and any entry can use it."""
