"""Who competes in the boundary benchmark, and the ground they compete on."""
