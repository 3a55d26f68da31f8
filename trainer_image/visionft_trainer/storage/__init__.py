"""What is kept on disk: the run's folder, writing that is whole or not at all, lists and bytes larger than memory."""
