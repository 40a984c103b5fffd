//! The API as a whole, by requests to its router.
