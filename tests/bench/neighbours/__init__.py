"""What a small workspace notices while another one takes all that it can get."""
