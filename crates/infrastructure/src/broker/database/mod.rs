//! The broker on the journal.
