"""The numbered logs. Every visible change takes the next number of its stream; see docs/protocol.md."""
