"""What protects the server from clients: limits of connections and answers, and its stop."""
