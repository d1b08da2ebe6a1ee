"""What a bed knows: who is in it, heart and breath, sitting up and getting out."""
