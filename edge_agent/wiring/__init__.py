"""What the composition root is made of, besides the stages themselves."""
