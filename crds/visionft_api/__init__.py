"""The vocabulary of visionft: one set of models for the CRD, the operator, the trainer and the workstation."""

from typing import Final

GROUP: Final = "visionft.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = "visionft.dev/v1alpha1"
KIND: Final = "VisionFineTune"
PLURAL = "visionfinetunes"
SINGULAR = "visionfinetune"
SHORT_NAME = "vft"
CATEGORY = "ai"
