"""Other machines: how they are asked and waited for, and what their refusals mean."""
