"""Live feed: changes of jobs, delivered to the requests that wait for or watch them."""
