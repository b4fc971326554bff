"""Amounts of money as every display shows them: terminal, page, report, exports and messages.

``web/static/money.js`` is the same in JavaScript: what one of them rounds the other does, to the cent.
"""

from __future__ import annotations

from math import floor

MICROS = 1_000_000
"""Parts of a dollar that prices and charges are kept in."""
_OF_A_CENT = MICROS // 100


def cents(usd: float) -> int:
    """The nearest whole number of cents of ``usd`` dollars; half a cent goes away from zero.

    It is rounded to whole millionths first: a sum such as 471.835 is no binary fraction, and would fall to
    either side by chance.
    """
    micros = floor(abs(usd) * MICROS + 0.5)
    found = (micros + _OF_A_CENT // 2) // _OF_A_CENT
    return -found if usd < 0 else found


def money(usd: float) -> str:
    """US dollars and cents: ``$1,234.50``, ``-$0.50``."""
    total = cents(usd)
    dollars, rest = divmod(abs(total), 100)
    return f"{'-' if total < 0 else ''}${dollars:,}.{rest:02}"
