"""The same recipes with the authors' own code, from a checkout of it."""
