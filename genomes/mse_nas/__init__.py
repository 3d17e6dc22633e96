"""MSE-NAS (Pan et al., arXiv 2304.10749): its wiring tables, its skeleton, its genomes as released and corrected."""
