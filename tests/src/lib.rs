//! Helpers shared by the tests: processes, free addresses, namespaces.
