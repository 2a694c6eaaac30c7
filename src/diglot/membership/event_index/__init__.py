"""The instant index of fields of events, which is filled in parts where there are many events."""
