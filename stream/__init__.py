"""The shell around the two inner packages: Kafka, wire formats, state, both roles, settings, metrics."""
