"""Everything simulated: VM launcher, lockstep conductor, players, scenes."""
