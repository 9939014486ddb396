"""Plain torch building blocks that synthesizers share."""
