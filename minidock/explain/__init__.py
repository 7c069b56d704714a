"""Explanations: what happens in the kernel, and what a container consists of, in text and pictures (with the book's
sections).
"""
