//! The openraft adapter: log store, network, state machine, membership. openraft types stay inside.
