"""The benchmark grid: room kept for the runner that writes one JSON line per fit."""
