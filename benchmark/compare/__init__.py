"""Claims beside measurements: what each printed number is compared with, and the verdict.

evidence      reads all that claims are compared with
kinds         one file per kind of evidence: what it says of each claim
findings      every claim by every kind, with what the claims files explain (`formula` recomputes it)
verdicts      which finding decides a claim
bands         how near is near enough
settings      printed settings, and what a recipe has in their place
differences   ablation steps, orders of systems and what test sets can show, printed beside measured
statistics    intervals over sequences, power, and agreement of orders
decode        the protocol of a printed PSNR or SSIM column, from the authors' weights
times         printed run times beside physics and measured clocks
physics       lower bounds of a run time on a graphics card of cards.yaml
gate          what of our reproduction fails, also against the results of a git revision (`baseline`)
gate_output   the gate as text, Markdown and JUnit XML
explain       the chain behind one claim, found by `naming`; `attribution` ranks what could move a quality
export        every printed table claimed beside reproduced; `latex` escapes and sets it
audit         somebody else's paper and results
units         measured numbers as the paper prints its own
dvc_metrics   a summary for `dvc metrics show` and `dvc plots show`
"""
