"""Hardware targets, one YAML file each: every value with its unit, evidence and source."""
