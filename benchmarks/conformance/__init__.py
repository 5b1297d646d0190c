"""Other systems' own test cases, judged by our modules."""
