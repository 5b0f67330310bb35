"""A long run with random faults: every body that a client took for whole must be right, and nothing may pile up."""
