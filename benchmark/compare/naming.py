"""Name a claim by where it is printed, and find the claim that a name means.

    sgenet:"Table 1":SGENet:Runtime

are the paper, the table or section, the row or what a sentence says, and the column; a fifth part, the
dataset, only where the same is printed of two. Any parts of it, in this order, that fit one claim are enough,
as `sgenet:SGENet:Runtime`. Quotes may be left out, as a shell takes them away.
"""

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from benchmark.claims import Claim

PART = re.compile(r'\s*(?:"([^"]*)"|([^:]*))\s*(?::|$)')


def fields(claim: Claim) -> tuple[str, ...]:
    """Return what names a claim, from the paper to the dataset."""
    return claim.paper, claim.table, claim.row, claim.column, claim.dataset or ""


def names(claims: Iterable[Claim]) -> dict[str, Claim]:
    """Name every claim; the dataset is in a name only where another claim has the same place.

    >>> list(names([Claim("p", "Table 1", "Ours", "PSNR", None, "gopro", "psnr", "30")]))
    ['p:"Table 1":Ours:PSNR']
    """
    by_place = defaultdict(list)
    for claim in claims:
        by_place[fields(claim)[:4]].append(claim)
    named = {}
    for place, sharing in by_place.items():
        for claim in sharing:
            used = filter(None, fields(claim) if len(sharing) > 1 else place)
            named[":".join(f'"{part}"' if re.search(r"[\s:]", part) else part for part in used)] = claim
    return named


def parts(name: str) -> list[str]:
    """Split a name at the colons outside of quotes.

    >>> parts('sgenet:"Table 1: quality":PSNR'), parts("sgenet:Table 1:")
    (['sgenet', 'Table 1: quality', 'PSNR'], ['sgenet', 'Table 1'])
    """
    found = [quoted or bare.strip() for quoted, bare in PART.findall(name)]
    return [part for part in found if part]


def fits(claim: Claim, wanted: Sequence[str], whole: bool) -> bool:
    """Decide whether the parts of a name occur in a claim's fields, in order.

    Args:
        claim: the claim.
        wanted: the parts.
        whole: whether a part must be a whole field, not some of its text.
    """
    rest = [field.casefold() for field in fields(claim)]
    for part in (part.casefold() for part in wanted):
        while rest and not (part == rest[0] if whole else part in rest[0]):
            rest.pop(0)
        if not rest:
            return False
        # Two parts may be of one field, where a colon in it lost its quotes; a whole field is used up.
        rest = rest[1:] if part == rest[0] else rest
    return True


def find(name: str, claims: Sequence[Claim]) -> Claim:
    """Find the one claim that a name means; a full name comes before whole fields, these before any text.

    Raises:
        ValueError: none fits, with the nearest names, or several, with all of their names.
    """
    wanted = parts(name)
    named = names(claims)
    full = [claim for text, claim in named.items() if parts(text) == wanted]
    whole = [claim for claim in claims if fits(claim, wanted, whole=True)]
    found = full or whole or [claim for claim in claims if fits(claim, wanted, whole=False)]
    if not wanted or not found:
        raise ValueError(f"no claim {name!r}; {hint(wanted, claims, list(named))}")
    if len(found) > 1:
        listed = "\n  ".join(text for text, claim in named.items() if claim in found)
        raise ValueError(f"{name!r} fits {len(found)} claims; name one of\n  {listed}")
    return found[0]


def hint(wanted: Sequence[str], claims: Sequence[Claim], named: Sequence[str]) -> str:
    """Word what a mistyped name may mean: the nearest fields for a part that occurs nowhere, or names."""
    known = sorted({field for claim in claims for field in fields(claim) if field})
    for part in wanted:
        close = difflib.get_close_matches(part, known, n=3)
        if close and not any(part.casefold() in field.casefold() for field in known):
            return f"for {part!r} did you mean {' or '.join(map(repr, close))}?"
    close = difflib.get_close_matches(":".join(wanted), named, n=3, cutoff=0.3)
    return f"nearest: {', '.join(close or named[:1])}"
