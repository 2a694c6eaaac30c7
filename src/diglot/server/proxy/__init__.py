"""Pass-through: what a dialect's vendor has and Diglot does not goes to an upstream, unchanged."""
