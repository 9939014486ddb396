"""What can be done with the synthetic rows in place of the real ones."""
