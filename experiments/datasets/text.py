"""English text: docstrings and comments of the Python that runs, or your own files."""


def world(path='', tokenizer='', length=64, documents=0, vocab_size=2048, packing='packed'):
    return dict(name='text', path=path, tokenizer=tokenizer, length=length,
                documents=documents, vocab_size=vocab_size, packing=packing)


def stored(site, sequences=512, pool='', **options):
    """Every position (or with pool every sequence) once, by way of a store in the cache."""
    return dict(name='stored', harvest=dict(site=site, sequences=sequences, pool=pool),
                **options)


def source(sequences=4096, chunks=2, site='blocks.1.resid_post'):
    return dict(name='harvest', site=site, sequences=sequences, chunks=chunks)
