"""A real MLflow tracking server, for tests: in an environment of its own, since it wants older libraries than ours."""
