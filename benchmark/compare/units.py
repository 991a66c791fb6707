"""Write a measured number as the paper prints its own."""

from benchmark.claims import NUMBER, SCALES, Claim


def format_like(claim: Claim, measured: float, exact: bool = True) -> str:
    """Write a measured number, in base units, in the printed unit and precision.

    Without `exact` it has as many decimals more as show a difference.

    >>> claim = Claim("", "", "", "", None, None, "macs_720p", "689.20", scale=1e9)
    >>> format_like(claim, 687.086e9), format_like(claim, 689.204e9)
    ('687.09', '689.20')
    >>> format_like(claim, 689.204e9, exact=False)
    '689.204'
    """
    match = NUMBER.fullmatch(claim.printed.strip())
    if match is None or claim.value is None:  # printed in words
        return f"{measured / claim.scale:g}"
    unit, digits = match["unit"] or "", match["mantissa"] or ""
    if abs(measured - claim.value) <= 1e-9 * abs(claim.value):
        return claim.printed
    value = measured / claim.scale / SCALES.get(unit, 1)
    if match["ten"]:
        return f"{value:g} {unit}".strip()
    decimals = len(digits.partition(".")[2])
    comma = "," if "," in digits else ""
    while not exact and decimals < 9 and f"{value:{comma}.{decimals}f}" == digits:
        decimals += 1
    return f"{value:{comma}.{decimals}f} {unit}".strip()
