"""How a sender proves who it is: a module a scheme, each over the raw body before it is parsed."""
