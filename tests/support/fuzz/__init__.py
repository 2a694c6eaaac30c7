"""Requests that are valid, then broken at random, and the server that receives them."""
