"""Has normal moved? A drift is not an anomaly: it says that what was learned before no longer holds."""
