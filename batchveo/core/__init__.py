"""What every part of the program shares: records, states, decisions. No I/O; imports nothing else of ours."""
