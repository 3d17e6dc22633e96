"""The selection half: population loop, constrained NSGA-II, archive. The only package that imports DEAP."""
