"""What you say: posting, editing, deleting, formatting, mentions."""
