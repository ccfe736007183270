"""Events to browsers, and browsers' events to actions. docs/protocol.md is what the other side may rely on."""
