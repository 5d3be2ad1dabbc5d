"""Tests of the authentication schemes; openssl makes every signature."""
