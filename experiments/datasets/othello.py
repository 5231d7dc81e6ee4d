"""Othello games, and their harvest at a middle block."""


def world(n=8):
    return dict(name='othello', n=n)


def source(sequences=2048, chunks=0, site='blocks.1.resid_post'):
    return dict(name='harvest', site=site, sequences=sequences, chunks=chunks)
