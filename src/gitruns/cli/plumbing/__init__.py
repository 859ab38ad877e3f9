"""Commands for scripts, one file each. What they print is frozen."""
