"""How close the synthetic rows are to the real ones in distribution."""
