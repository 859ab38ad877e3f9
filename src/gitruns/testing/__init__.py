"""Contract suites for authors of plugins: inherit one, give it your implementation, and run it with pytest."""
