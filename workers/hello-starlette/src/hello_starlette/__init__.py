"""What `hello-starlette` answers: a Starlette application on the kit; nothing here imports the runtime."""
