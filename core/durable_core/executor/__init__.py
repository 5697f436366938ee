"""From a claimed token to its recorded outcome: attempts run bodies and write nothing, records write and run nothing."""
