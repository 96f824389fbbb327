"""The demo: a small real fleet, a real fault in it, and the story of what Tidegate did about it."""
