"""What protects the server from clients: limits of connections, answers and forwarded exchanges, and its stop."""
