"""The genotype of evonas: genomes at three scales, the spaces they come from, and the architectures they mean.

Standard library and NumPy only.
"""
