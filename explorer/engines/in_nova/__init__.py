"""What runs in the process of the real Nova, with the Python of an environment that holds nova: worker, stand_ins."""
