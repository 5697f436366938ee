"""From a claimed token to its recorded outcome: attempts run and write nothing, records write and run nothing."""
