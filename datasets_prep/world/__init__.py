"""A procedural street with exact geometry, written in the layouts of the real data sets so that their readers read it."""
