"""Priors: networks that were trained on many signals and say what another one of their kind is, of which little is known.

`base` says what a prior is, `kinds` lists them, one file each; `hypernetwork` makes networks; `examples` are what they are
trained on; `collection` and `datasets` are where those come from; `prior` is one as the Python interface returns it.
"""
