"""The code table's pages: `boards` lays them out, `forms` reads what is asked, `words` says it."""
