"""What requests carry: headers, query strings and bodies, read and checked."""
