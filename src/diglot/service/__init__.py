"""The use cases. A service knows the clock and the workspace; it knows neither HTTP nor SQL."""
