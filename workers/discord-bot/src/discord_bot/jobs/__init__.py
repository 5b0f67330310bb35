"""The crons' work: reminders and the digest."""
