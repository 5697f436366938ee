"""The notebook studio: magics and widgets that show and steer executions in a cell."""
