"""Who you are: people, their sessions and passwords, invites, profiles."""
