"""How long from bytes to a signal, and from bytes to a started playbook: p50 and p99 at 200 records a second."""
