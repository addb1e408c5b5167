"""Optimisers over stacked members: every member has its own rates, torch.optim is the reference."""
