"""The spiking network: neurons, surrogate gradients, synapses, and the module built from an architecture."""
