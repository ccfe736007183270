"""The community itself: its name, its look, who may sign up, its epoch."""
