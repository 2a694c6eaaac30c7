"""The vendors' HTTP vocabularies. `registry.DIALECTS` is the only list of them."""
