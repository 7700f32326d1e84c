"""A package, so that its browser is closed after the last of these tests."""
