"""The pages of an annotation library: the grid, the page of an image, the curator's desk."""
