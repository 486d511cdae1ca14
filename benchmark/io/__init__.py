"""Files to arrays and back, no arithmetic."""
