"""What leaves the trainer."""
