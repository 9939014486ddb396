"""Synthetic rows to files and databases of any format, in the types and spellings that their table had."""
