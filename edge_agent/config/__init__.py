"""The one configuration file: TOML to frozen values, every mistake in one line."""
