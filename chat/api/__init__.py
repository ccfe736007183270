"""The API for programs, below /api/v1. docs/protocol.md describes it."""
