"""Code that trains and evaluates the models; never imported when serving."""
