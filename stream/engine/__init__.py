"""The engine role: signals in, decisions and runs out, with the audit log as its only memory."""
