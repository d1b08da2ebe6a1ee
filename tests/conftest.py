"""What all tests share: property tests that are the same in every run and have no clock.

`pytest --hypothesis-profile=fuzz` looks for new counterexamples instead.
"""

from hypothesis import settings

settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("fuzz", deadline=None, max_examples=5000)
settings.load_profile("same")
