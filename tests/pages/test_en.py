"""Every page of the English edition, over http:// and file://, with the network blocked."""

from edition import page_tests

test_over_http, test_from_file = page_tests("en")
