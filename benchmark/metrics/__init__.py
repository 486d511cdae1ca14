"""One pure function per quantity, one literal dict per family."""
