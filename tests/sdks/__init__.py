"""Client libraries as their generators make them from the documents, and a whole story told with each."""
