"""What the module SAMed is made of. Imports no torch; starts no thread."""
