"""The endpoints: one function each, from the world and a call to the answer."""
