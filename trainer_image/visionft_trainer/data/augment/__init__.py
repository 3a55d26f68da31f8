"""Changes of training pictures, drawn by the seed, and how far they move what the pictures look like."""
