"""Client libraries generated from the documents, and an example program for each."""
