"""The commands of `python -m train`: one file a stage. Each loads PyTorch only when it runs."""
