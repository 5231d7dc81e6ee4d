"""Worlds: what a subject network is trained on, with the truth known.

A world is a frozen dataclass with vocab, context (T), state_count (C), state_names,
accuracy_name, fingerprint, picture(values), and `sample(key, n)`, a pure function that
gives

    tokens [n, T] int32      targets [n, T] int32, or soft_targets [n, T, V] float32
    weights [n, T]           loss weights, 0 for padding
    score [n, T] bool        positions where the subject's accuracy is counted
    correct [n, T, V] bool   only where several answers are right
    states [n, T, C] bool    the true properties at each position
    harvest [n, T] bool      positions whose activations are harvested and scored

and `bayes(batch)`, [n, T, C], the posterior of the states given the tokens so far.
"""
