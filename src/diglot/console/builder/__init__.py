"""The rule builder: rules as inputs of a form, and back, so that nothing is lost on either way."""
