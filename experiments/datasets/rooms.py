"""The rooms world, and its harvest at the middle block."""


def world(size=6, colours=9, seed=7):
    return dict(name='rooms', size=size, colours=colours, moves=20, seed=seed)


def source(sequences=4096, chunks=6, site='blocks.1.resid_post'):
    return dict(name='harvest', site=site, sequences=sequences, chunks=chunks)
