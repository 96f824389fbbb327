"""What an operator touches: the command line and the demo."""
