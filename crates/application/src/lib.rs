//! Ports, use cases, delivery and relay: knows no driver, no HTTP, no SQL
