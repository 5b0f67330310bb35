"""Export archives: everything in a store as one signed file that can be carried across an air gap, and back into a store."""
