"""A year of the whole platform in about an hour: real assets, sensors and schedules, one seed."""
