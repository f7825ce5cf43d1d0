"""The clinic's screen: one photograph's answer in a browser, and the API beside it."""
