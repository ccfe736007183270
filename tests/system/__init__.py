"""Tests against a real server process: real gunicorn, real sockets, real clients."""
