"""What clients may ask for: /chat is numbered and durable, /presence may be dropped."""
