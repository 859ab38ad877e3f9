"""The commands below `git runs model`, and how models and versions are shown."""
