"""The shell around the two inner packages: Kafka, wire formats, state, the detect and engine roles, settings, metrics."""
