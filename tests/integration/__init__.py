"""Real clients through a real `drydock proxy` process, without containers."""
