"""Write the HTML report: every claim beside its measurement, on one page that needs no network.

inputs.py reads the tables, summary.py and the modules that it calls turn them into one `Summary`, figures.py
draws its plots as SVG, page.py and templates/ render it. Nothing imports torch.
"""
