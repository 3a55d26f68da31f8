"""The visionft operator: watches VisionFineTunes, decides, acts. Never imports torch."""
