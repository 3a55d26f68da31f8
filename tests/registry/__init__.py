"""A real OCI registry for tests, built from Go modules."""
