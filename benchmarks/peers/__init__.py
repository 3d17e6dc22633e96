"""Our networks as users of other libraries would write them: same function, same weights, their neurons.

`network` runs an architecture with any library's neurons, layer by layer or step by step; `libraries` makes them.
`evaluation`, `memory` and `training` measure; `speed_peers.py` prints.
"""
