"""Winding numbers over one or two parameters: quantities, points, the diagram and its picture.

Stands on `physics`, `lab.pool` and `report.figures`; nothing of it trains.
"""
