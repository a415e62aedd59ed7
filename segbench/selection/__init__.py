"""Choose, sort and plot rows of Records and of the published costs: `segbench table`, `find` and `plot`."""
