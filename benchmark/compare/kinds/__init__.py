"""Kinds of evidence: one file each, whose name is the kind.

A file has `ABOUT`, one sentence; `BASIS`, what an agreement rests on (schema.Basis); and
`judge(claims, evidence)`, which yields a finding for each claim that this kind of evidence can say something
about, also "undecided" with the reason where it is the natural one for the claim but lacks a measurement.
A number may have findings of several kinds; benchmark/compare/verdicts.py says which one decides.
"""
