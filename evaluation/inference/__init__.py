"""Estimates about a population from a release, with intervals that carry the noise of the release. No real row is read."""
