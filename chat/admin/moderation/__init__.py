"""Reports, suspensions, bans, and taking away what somebody wrote."""
