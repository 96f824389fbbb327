"""The embedded Apache Kafka: its jars, its process, and the guard that ends it with its owner."""
