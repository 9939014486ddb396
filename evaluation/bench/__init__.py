"""Benchmarks that anyone can rerun: they write JSON lines, and tables are computed from those."""
