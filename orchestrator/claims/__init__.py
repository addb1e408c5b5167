"""Claims of papers, tested: numbers per seed, the verdict rule, the scoreboard."""
