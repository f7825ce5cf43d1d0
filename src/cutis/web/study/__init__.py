"""The pages of reader studies."""
