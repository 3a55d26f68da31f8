"""A real S3 server for tests, built from Go modules."""
