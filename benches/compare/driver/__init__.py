"""The side-by-side benchmark of toolgate and its alternatives. Standard library only, Python 3.11."""
