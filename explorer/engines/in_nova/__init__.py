"""What runs in the real Nova's process, with the Python of an environment that holds nova: worker, stand_ins."""
