"""JSON in docker's form, read and written."""
