"""Running a community: settings, people, moderation, retention, and the audit log of all that."""
