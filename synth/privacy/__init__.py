"""The trusted core: the only code that sees rows. Every touch is charged to the ledger before it happens."""
