"""The detect role: ingest and detection as one Faust app on a transport of our own, and the state behind it."""
