"""The HTML report: every claim beside its measurement, on one page that needs no network.

Files to `Inputs` (inputs.py), inputs to one `Summary` (summary.py and the parts it is made of), the summary
to SVG (figures.py) and to HTML (page.py and templates/). Nothing here imports torch.
"""
