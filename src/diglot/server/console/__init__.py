"""What people use in a browser, outside the dialects: sessions and documentation."""
