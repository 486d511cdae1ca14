"""The prediction linter's judgements: one function per defect, on a few sampled frames and pixels."""
