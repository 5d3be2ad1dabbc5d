"""What a code means: the tables, and the rules that apply them."""
