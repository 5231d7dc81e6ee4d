"""saex: sparse autoencoders and every other sparse dictionary, in JAX and Flax."""
__version__ = '0.1.0'
