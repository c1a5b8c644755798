"""Fields of many small sine networks, each solved by least squares: cells, samples away from the points, heads."""
