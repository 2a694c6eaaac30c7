"""The pages of the rule builder: a new segment, and the change of one."""
