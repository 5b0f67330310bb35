"""What a user feels, in containers: installing packages, the runtime's start, and the start of everything."""
