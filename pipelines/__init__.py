"""One file per stage of dvc.yaml; each reads, calls and writes."""
