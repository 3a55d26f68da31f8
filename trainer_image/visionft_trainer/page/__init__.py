"""The page that a run ends with, its JSON, and the model card: what people read of a training."""
