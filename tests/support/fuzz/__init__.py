"""Valid requests with random breaks, and the server that receives them."""
