"""What can be the value of an HTTP header."""

import re

# Clients differ over everything else: control characters, what is not latin-1, spaces at the ends.
VALUE = r"([\x21-\x7e\xa1-\xff]([\x20-\x7e\xa0-\xff]*[\x21-\x7e\xa1-\xff])?)?"


def is_header_value(value: str) -> bool:
    return re.fullmatch(VALUE, value) is not None
