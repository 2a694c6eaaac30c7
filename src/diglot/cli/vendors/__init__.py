"""Commands about the services of the vendors."""
