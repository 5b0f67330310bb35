"""What the Worker does: a FastAPI application on the kit, and its jobs; nothing here imports the runtime."""
