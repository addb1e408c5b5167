"""Pure ask/tell planners: they know no Ray, no MLflow and no clock."""
