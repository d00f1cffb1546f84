"""What BFL owes us: records, states, BFL's dialect and the places where things are kept."""
