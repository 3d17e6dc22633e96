"""Search spaces, one file each; a file registers its space in `genomes.space.SPACES`."""
