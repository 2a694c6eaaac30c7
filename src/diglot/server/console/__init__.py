"""What people use with a browser, outside the dialects: signing in, and the documentation."""
