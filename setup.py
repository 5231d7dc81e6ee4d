"""Packaging of saex. Lower bounds are what Colab's TPU image ships; jax has no upper one."""
from setuptools import find_packages, setup

setup(
    name='saex',
    version='0.1.0',
    description='Sparse autoencoders and every other sparse dictionary, in JAX and Flax',
    license='Apache-2.0',
    python_requires='>=3.11',
    packages=find_packages(include=['saex', 'saex.*']),
    install_requires=[
        'jax>=0.7.2', 'flax>=0.11.2', 'optax>=0.2.8', 'orbax-checkpoint>=0.12.4,<1',
        'tensorstore>=0.1.85', 'ml_collections>=1.1.0', 'absl-py>=1.4', 'numpy>=2.1',
        'ml_dtypes>=0.5', 'safetensors>=0.6', 'scipy>=1.13', 'tqdm>=4.67',
    ],
    extras_require={
        'tpu': ['jax[tpu]'],
        'cuda12': ['jax[cuda12]'],
        'cuda13': ['jax[cuda13]'],
        'text': ['transformers>=5.15', 'tokenizers>=0.22'],
        'hub': ['huggingface_hub>=1.0'],
        'plots': ['matplotlib>=3.8'],
        'tensorboard': ['tensorboardX>=2.6'],
        'wandb': ['wandb'],
        'torch': ['torch'],
        'parity': ['sae-lens==6.54.12', 'dictionary-learning==0.1.0', 'eai-sparsify==1.3.3',
                   'overcomplete==0.3.0'],
        'test': ['pytest>=8', 'pytest-xdist>=3.5', 'nbformat>=5', 'packaging', 'setuptools>=70.1',
                 'tokenizers>=0.22', 'huggingface_hub>=1.0'],
    },
)
