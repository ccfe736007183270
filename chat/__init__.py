"""Parley, one Flask application. This page is the table of contents: what is set up, in which order.

Everything is imported inside `create_app()`. The server's master process imports this package for its worker class and
must stay free of Flask: green threads are patched in after the fork, before the application is imported.
"""
