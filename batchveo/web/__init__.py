"""The page in a browser, and the report as one HTML file."""
