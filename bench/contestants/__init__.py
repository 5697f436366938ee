"""One module for each contestant; a figure is a function of its name, given its place and returning its numbers."""
