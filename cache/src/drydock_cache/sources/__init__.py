"""What a set of Workers needs: one module for each place that says so."""
