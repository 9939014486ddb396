"""Differentially private synthetic tables."""
