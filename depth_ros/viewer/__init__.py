"""The live page: a recording, or the topics of a running node, in a browser."""
