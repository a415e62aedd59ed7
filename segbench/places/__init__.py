"""Where tasks run: one loop over places, a process for each task, hosts with an environment of their own."""
