"""Random writes to segments and contacts, and checks of the resulting memberships."""
