"""The API: photographs in, answers out, as JSON."""
