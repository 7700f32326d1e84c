"""The audit's page: `boards` lays it out, `words` says what an event is."""
