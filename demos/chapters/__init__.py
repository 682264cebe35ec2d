"""The chapters of the story, one script each; _settings.py is the look that their figures share."""
