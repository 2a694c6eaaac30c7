"""What an operator sees of a server process: metrics, readiness, logs, traces."""
