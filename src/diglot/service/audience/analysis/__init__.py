"""Questions about segments as a whole: overlaps, sizes over time, snapshots, the segments of one contact."""
