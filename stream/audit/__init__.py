"""The audit log on Kafka: its wire form, its reader, its one way to be appended to."""
