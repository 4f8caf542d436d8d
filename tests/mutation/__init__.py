"""Mutated files of every kind that the program reads, read where they can do no harm."""
