"""The store of drydock and all decisions about it: what is kept, for how long, and whether it may be believed."""
