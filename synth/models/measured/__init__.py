"""What is learnt from noisy tables: which to measure, a mixture fitted to them, weights that make rows agree with them."""
