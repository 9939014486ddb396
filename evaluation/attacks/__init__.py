"""What an attacker learns about real people from the synthetic rows. Each attack states its threat model first."""
