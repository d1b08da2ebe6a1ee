"""What an installer makes for a unit: its files and key, the agent's side, a label."""
