"""Write text and tables in LaTeX, for any engine: every character that is not ASCII becomes a command."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "{''}",
    "[": "{[}",  # else it is an option of the command or line break before it
    "]": "{]}",
    "-": "{-}",  # no ligature: "--" stays two hyphens
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "→": r"$\rightarrow$",
    "←": r"$\leftarrow$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "≈": r"$\approx$",
    "−": r"$-$",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "“": r"\textquotedblleft{}",
    "”": r"\textquotedblright{}",
    "‘": r"\textquoteleft{}",
    "’": r"\textquoteright{}",
    "…": r"\ldots{}",
    "°": r"\textdegree{}",
    "✓": r"$\surd$",
    "✔": r"$\surd$",
    "✗": r"$\times$",
    "✘": r"$\times$",
    "ß": r"\ss{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
}
GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi - pi rho - sigma tau upsilon "
)
GREEK += "phi chi psi omega"  # in the order of their code points; "-" has no command
SPECIAL |= {chr(0x3B1 + i): f"$\\{name}$" for i, name in enumerate(GREEK.split()) if name != "-"}
ACCENTS = {"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"', "\u030a": "r "}
ACCENTS |= {"\u0327": "c ", "\u030c": "v ", "\u0304": "=", "\u0306": "u ", "\u0307": "."}

PREAMBLE = r"""\documentclass{article}
\usepackage{booktabs}
\usepackage{graphicx}
\usepackage{xcolor}
\usepackage[margin=15mm]{geometry}
\begin{document}
"""


def escape(text: str) -> str:
    r"""Escape text; a character without a command is shown by its code point.

    >>> escape("50 % of x_1 & é, 100 ↑"), escape("日")
    ("50 \\% of x\\_1 \\& \\'{e}, 100 $\\uparrow$", '{[}U+65E5{]}')
    """
    return "".join(map(character, " ".join(text.split())))


def character(one: str) -> str:
    """Escape one character."""
    if one in SPECIAL:
        return SPECIAL[one]
    if one.isascii():
        return one if one.isprintable() else " "
    parts = unicodedata.normalize("NFD", one)
    if len(parts) == 2 and parts[0].isascii() and parts[1] in ACCENTS:
        return rf"\{ACCENTS[parts[1]]}{{{parts[0]}}}"
    plain = unicodedata.normalize("NFKD", one)
    return "".join(map(character, plain)) if plain.isascii() else f"{{[}}U+{ord(one):04X}{{]}}"


def ranked(text: str, rank: str) -> str:
    r"""Escape a number and set it by its place: the best bold, the second underlined.

    >>> ranked("32.96", "1"), ranked("32.66", "2")
    ('\\textbf{32.96}', '\\underline{32.66}')
    """
    command = {"1": r"\textbf", "2": r"\underline"}.get(rank)
    return f"{command}{{{escape(text)}}}" if command else escape(text)


def grey(latex: str) -> str:
    """Set LaTeX in grey italics."""
    return rf"\textcolor{{gray}}{{\textit{{{latex}}}}}"


def superscript(text: str) -> str:
    """Set text as a superscript."""
    return rf"\textsuperscript{{{escape(text)}}}"


def table(columns: Sequence[str], body: Iterable[tuple[str, Sequence[str]]], caption: str, label: str) -> str:
    """Set a table with booktabs' rules, as wide as the text.

    Args:
        columns: heads, as plain text.
        body: rows of LaTeX, each with its label.
        caption: plain text.
        label: of letters, digits, colons and hyphens.
    """
    assert re.fullmatch(r"[\w:-]+", label)
    lines = [
        r"\begin{table}[!ht]",
        r"\centering",
        rf"\caption{{{escape(caption)}}}",
        rf"\label{{{label}}}",
        r"\resizebox{\textwidth}{!}{%",
        rf"\begin{{tabular}}{{l{'c' * len(columns)}}}",
        r"\toprule",
        " & ".join(["", *map(escape, columns)]) + r" \\",
        r"\midrule",
        *(" & ".join([label, *cells]) + r" \\" for label, cells in body),
        r"\bottomrule",
        r"\end{tabular}}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def document(files: Iterable[str]) -> str:
    r"""Write a document that shows the tables in some files, named without folders."""
    inputs = "".join(f"\\input{{{name}}}\n\\clearpage\n" for name in files)
    return f"{PREAMBLE}{inputs}\\end{{document}}\n"
