"""`plan`: what an apply or a delete would do, told before it is done."""
