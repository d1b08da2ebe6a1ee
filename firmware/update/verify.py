"""Is it signed? RSASSA-PKCS1-v1_5 with SHA-256, 3072 bits, exponent 65537, nothing else.

The encoding that a right signature must give is built in full and compared as a whole; nothing
of what the signature gives is ever parsed (the mistake of Bleichenbacher's forgery of 2006).

The key is the file `update.key` on the flash, written at installation: the line that
`openssl rsa -in KEY.pem -noout -modulus` prints. Without one a unit takes no update.

Source: RFC 8017, "PKCS #1: RSA Cryptography Specifications Version 2.2", 2016, sections 8.2.2
and 9.2 (and its note 1 for the bytes before the hash).
"""

from firmware import flash
from protocol.bundle import SIGNATURE_LENGTH

KEY_FILE = "/update.key"
EXPONENT = 65_537

_SHA256_INFO = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"
_BITS = 8 * SIGNATURE_LENGTH
_NAME = "Modulus="


def read_key(root: str) -> int:
    """Return the modulus of the key of this unit, 0 when it has none that can be used."""
    text = (flash.read_text(root + KEY_FILE) or "").strip()
    if not text.startswith(_NAME):
        return 0
    try:
        modulus = int(text[len(_NAME) :], 16)
    except ValueError:
        return 0
    return modulus if modulus >> (_BITS - 1) == 1 and modulus & 1 else 0


def is_signed(digest: bytes, signature: bytes, modulus: int) -> bool:
    """Return True when the key's owner signed what has this SHA-256."""
    if not modulus or len(digest) != 32 or len(signature) != SIGNATURE_LENGTH:
        return False
    number = int.from_bytes(signature, "big")
    if number >= modulus:
        return False
    padding = b"\xff" * (SIGNATURE_LENGTH - 3 - len(_SHA256_INFO) - len(digest))
    encoded = b"\x00\x01" + padding + b"\x00" + _SHA256_INFO + digest
    return pow(number, EXPONENT, modulus) == int.from_bytes(encoded, "big")
