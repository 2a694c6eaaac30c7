"""Rules of segments: what they name, who depends on whom, and how many there are."""
