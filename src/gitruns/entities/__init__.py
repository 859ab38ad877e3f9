"""The nouns of gitruns and the laws they keep: no I/O, standard library only.

Everything here is a value: frozen, valid by construction, equal when its content is equal. `canonical` gives each
value one byte form, `names` says what is legal, `values` and `history` hold metrics, `run`, `experiment`,
`artifact`, `dataset`, `environment` and `source` are what the rest of the code passes around.
"""
