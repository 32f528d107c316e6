"""Looking at a network, a plan or a record: curvature, landscape, activity of units, and plots."""
