"""How Tidegate is set up and tried."""
