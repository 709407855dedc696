"""The rest of a partly annotated scan."""
