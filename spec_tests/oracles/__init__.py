"""What the code is judged by: other routes to the same numbers, in numpy and scipy alone."""
