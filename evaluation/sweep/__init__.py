"""The privacy-utility curve of a table: the same model at several epsilons, scored, drawn, with the knee named."""
