"""Raw data sets to frames to ground truth."""
