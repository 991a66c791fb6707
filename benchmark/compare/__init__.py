"""Claims beside measurements: what each printed number is compared with, and the verdict.

findings      merges claims with measurements; a claim is judged in `findings.judge`
evidence      reads all measurements
differences   ablation steps, orders of systems and what test sets can show, printed beside measured
statistics    intervals over sequences, power, and agreement of orders
decode        the protocol of a printed PSNR or SSIM column, from the authors' weights
times         printed run times beside physics and measured clocks
physics       lower bounds of a run time on a graphics card of cards.yaml
dvc_metrics   a summary for `dvc metrics show` and `dvc plots show`
"""
