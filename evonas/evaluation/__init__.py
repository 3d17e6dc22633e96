"""The seam to the phenotype: genomes in, one evaluation each out, in this process or on Ray workers."""
