"""What a data set is like: counts, duplicates, leakage, balance, lengths and looks, found before any GPU time."""
