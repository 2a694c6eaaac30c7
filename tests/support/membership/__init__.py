"""Random writes to segments and contacts, and checks of the memberships that follow from them."""
