"""The members of static segments that rules name, for scans and for contacts that are written."""
