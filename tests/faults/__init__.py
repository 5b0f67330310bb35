"""Which test injects which fault: the rows that must be survived, and an honest count of those that were."""
