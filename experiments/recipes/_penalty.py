"""What penalised recipes share: a coefficient, given or found."""


def weight(l0, coefficient=None, over=0.05, **control):
    """The paper's coefficient, ramped over `over` of the run; or the controller that finds
    the coefficient for a mean L0 of `l0`, so that methods compare at matched sparsity."""
    if coefficient is None:
        return dict(name='l0_control', target=float(l0), **(dict(start=0.01) | control))
    return dict(name='ramp', value=float(coefficient), over=over)
