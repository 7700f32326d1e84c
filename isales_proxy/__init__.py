"""The only door to CC-iSales, and the keeper of what comes through it."""
