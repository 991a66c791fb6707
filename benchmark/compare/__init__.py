"""Claims beside measurements: what each printed number is held against, and the verdict."""
