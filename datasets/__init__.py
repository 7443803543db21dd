"""Data sets on disk: which videos there are, their labels, and what is wrong with them."""
