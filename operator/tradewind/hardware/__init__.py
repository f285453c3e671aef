"""One language for the chips of many makers: catalogue, standard labels, template translation."""
