"""What expressions may call: tables of functions by their names and numbers of arguments, a method's target included.

A function raises `EvaluationError` for values that it is not there for; `tables` puts the tables together.
"""
