"""What the peer's bytes can do wrong."""


class ProtocolError(Exception):
    """The peer sent bytes that mean nothing. Count, drop, resynchronise; never fatal."""
