"""Scripts that other generators' own interpreters execute; they import nothing of this package."""
