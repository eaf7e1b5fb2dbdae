"""Reading: a question and a passage in, spans of the passage out."""
