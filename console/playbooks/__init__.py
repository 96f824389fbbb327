"""The commands about playbooks: what there is, whether it keeps its contract, what a run of it would do."""
