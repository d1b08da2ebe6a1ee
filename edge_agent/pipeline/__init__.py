"""The signal path of all units: received messages in; causes, evidence and news out."""
