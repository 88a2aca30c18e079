"""The landing zone: the only code that writes below the raw directory, and what hides people."""
