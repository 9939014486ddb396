"""Attacks on our own guarantee: canaries through the production code, held against the privacy curve that is claimed.

Works on rows of its own making, never on a user's. What it finds is a lower bound: a claim that survives is not proven by it.
"""
