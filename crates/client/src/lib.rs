//! The HTTP client of Concord's own API, for the command line, the operator and the tests.
