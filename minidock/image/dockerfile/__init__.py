"""The Dockerfile language: from text to instructions. Nothing in here reads a file or runs anything.

The text to obey is BuildKit's reference, https://docs.docker.com/reference/dockerfile/; sections are cited by name.
"""
