"""The six digits on a unit's label, which whoever pairs with its radio has to type once.

They follow from the key that the unit was given at installation, so that the label can be
printed again from the key and the unit needs no second secret. They say nothing of the key.

Weakness: a passkey that does not change is learnt by twenty failed pairings of an active
attacker nearby (Bluetooth Core 5.4, volume 3, part H, 2.3.5.6.3: one bit in each round). It
keeps strangers off the radio; that frames are the unit's is proved by their tags (`auth.py`).
"""

import hashlib

_DIGITS = 1_000_000


def passkey(key: bytes) -> int:
    """Return the passkey, 0..999999; written on the label with its leading zeros."""
    digest = hashlib.sha256(b"anzhen 1 passkey\0" + key).digest()
    return int.from_bytes(digest[:8], "big") % _DIGITS
