"""What any program of this shape needs. Knows nothing about chat and imports no feature."""
