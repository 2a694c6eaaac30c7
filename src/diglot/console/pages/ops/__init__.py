"""What an operator of a workspace looks after: keys, webhooks, and the server itself."""
