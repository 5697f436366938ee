"""The durable workflow engine: definitions, store, queue, executor, scheduler and what looks at them."""
