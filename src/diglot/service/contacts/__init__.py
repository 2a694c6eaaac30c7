"""Use cases of contacts and events, and what every write of a contact entails."""
