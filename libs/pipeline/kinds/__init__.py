"""The kinds of data: one strategy each, travelling the same phases.

`base.Kind` says what a strategy must do; `registry.kind_of` knows which one an intent takes.
"""
