"""Helpers of the tests: databases, servers, populations, and judges that share no code with the product."""
