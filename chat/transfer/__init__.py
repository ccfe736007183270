"""Taking what is here elsewhere."""
