"""Experiment trackers that users may switch on beside the operator's status: TensorBoard, MLflow, Weights & Biases."""
