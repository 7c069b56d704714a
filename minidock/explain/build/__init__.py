"""What a build did and why, in words (book, chapter 3)."""
