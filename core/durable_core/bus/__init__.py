"""Messages about what was committed: ids and small facts only. A lost one costs a reader one refetch."""
