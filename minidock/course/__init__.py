"""The course: stages that students write, from fork to a small OCI runtime, and the checks of what they have written.

The stages themselves (pages, solutions) are in `course/` beside the package.
"""
