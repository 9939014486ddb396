"""One file per synthesizer. Models see noisy measurements and noisy gradients, never a row."""
