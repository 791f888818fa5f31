"""The depth-ros command: one file a command."""
