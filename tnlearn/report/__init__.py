"""What is said of a table: statistics, claims, figures, pages; never computes physics or trains."""
