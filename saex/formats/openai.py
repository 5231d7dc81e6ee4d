"""openai/sparse_autoencoder (GPT-2 small): one .pt.

x is standardised by its own mean and unbiased std where the activation is TopK (Gao et al.
2024), then pre = (x' - pre_bias) W_enc^T + latent_bias. encoder.weight [F, D],
decoder.weight [D, F]. ReLU files have no standardisation.
"""
from saex.formats.canonical import Canonical, checked
from saex.formats.errors import require
from saex.formats.place import Place, flipped, number, take


def claims(place: Place) -> bool:
    return {'pre_bias', 'latent_bias', 'encoder.weight'} <= place.keys


def read(place: Place) -> Canonical:
    where, t = place.weights, place.arrays
    names = ('encoder.weight', 'latent_bias', 'decoder.weight', 'pre_bias')
    w_enc, b_enc, w_dec, b_dec = take(t, *names, where=where)
    activation = t.get('activation', 'ReLU')
    require(activation in ('ReLU', 'TopK'),
            f'{where}: activation {activation!r}, expected ReLU '
            'or TopK')
    parts = {'activation': 'relu'}
    if activation == 'TopK':
        state = t.get('activation_state_dict', {})
        require(isinstance(state, dict), f'{where}: activation_state_dict is no dict')
        k = {'k': state.get('k', t.get('activation.k'))}
        parts = {'activation': 'topk', 'rows': 'layer_norm', 'options': {
            'k': number(k, 'k', int, where)}}
    return checked(Canonical(
        w_enc=flipped(w_enc, where), b_enc=b_enc, w_dec=flipped(w_dec, where), b_dec=b_dec,
        subtract_b_dec=True, provenance={'format': 'openai'}, **parts), str(where))
