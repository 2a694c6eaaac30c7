"""Helpers of the tests: databases, servers, populations, and checks that share no code with the product."""
