"""One metric protocol per file; the file name is the quantity's name.

A metric file has `QUANTITY` (a spec.Quantity) and `measure(restored, sharp)`.
"""
