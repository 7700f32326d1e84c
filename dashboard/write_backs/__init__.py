"""The write-backs' pages: `boards` lays them out, `fields` the form, `words` says what they are."""
