"""Where you talk: rooms, who is in them, how far each has read."""
