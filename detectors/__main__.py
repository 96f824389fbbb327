"""`python -m detectors`: compiles all kernels, some ten seconds once on a machine; later starts load them from disk."""

from detectors.compiled import warm

if __name__ == "__main__":
    warm()
