"""What can be told of a condition without any contact."""
