"""From a Dockerfile to an image (book, chapter 3)."""
