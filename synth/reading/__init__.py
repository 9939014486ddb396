"""Tables of any format as one thing: a header with its types, and batches of rows. Pipes without an opinion on values.

Parsers quote the offending line in their errors, so none of their messages is passed on.
"""
