"""Interactions: what Discord sends when somebody uses a command, a button or a form, and what it gets back."""
