//! Broker adapters, persistence, clock and ids: the implementations of the application ports
