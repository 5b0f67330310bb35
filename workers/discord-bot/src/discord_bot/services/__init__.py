"""The services that this Worker calls, each with typed answers and one kind of error."""
