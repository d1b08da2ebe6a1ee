"""Fake platforms: what an integrator, or a test, lets an agent log in to."""
