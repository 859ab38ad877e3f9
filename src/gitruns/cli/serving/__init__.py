"""The commands round the server: how it is started, and tokens for those who may use it."""
