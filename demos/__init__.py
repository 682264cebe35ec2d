"""The story of diffusion, chapter by chapter: `python -m demos` runs it and leaves a browsable
gallery.
"""
