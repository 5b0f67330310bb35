"""Notifications, posted by the Worker discord-bot."""
