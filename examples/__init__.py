"""Scripts that show segbench on something that a newcomer can run."""
